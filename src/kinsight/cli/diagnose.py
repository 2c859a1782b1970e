"""kinsight diagnose"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_columns, add_seed, add_split_by, add_stage, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "diagnose",
        "Two or more runs side by side: what they find and where they look, on seen and on unseen classes, and the pairs "
        "that they judge most differently, each explained.",
    )
    parser.add_argument("runs", nargs="+", metavar="run", help="run folders, trained on the same data")
    parser.add_argument("--out", default="diagnosis.html", help="the page (default: diagnosis.html)")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=["train", "test"],
        metavar="SPLIT",
        help="what is measured; the pairs are of the last one (default: train test)",
    )
    parser.add_argument("--data", help="another table, folder or zip than the runs' own")
    add_split_by(parser)
    add_columns(parser)
    parser.add_argument("--pairs", type=int, default=6, help="pairs of each two runs (default: 6)")
    add_stage(parser)
    parser.add_argument("--limit", type=int, help="at most so many pictures of each split, drawn from the seed")
    add_seed(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Compare runs."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.diagnose import diagnose
    from kinsight.show import diagnosis_table

    found = diagnose(**given(options))
    print(diagnosis_table(found.measured, found.explained))
    print(f"\npage: {options.out}")
