"""kinsight compare"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.options import add_json, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "compare",
        "Settings side by side: runs that differ only in seed and fold are one setting, paired with the baseline's runs by "
        "seed and fold; means, differences, 95 %% intervals. Numbers whose protocols differ are refused.",
    )
    parser.add_argument("runs", nargs="+", metavar="run", help="evaluated run folders; plain files are passed over")
    parser.add_argument("--name", default="test", help="which evaluation of each run (default: test)")
    parser.add_argument(
        "--metrics", nargs="+", metavar="KEY", help="such as recall_at_1 nmi (default: P@1, MAP@R, R-precision, NMI)"
    )
    parser.add_argument(
        "--baseline", help="a setting by its name, a part of it, or one of its runs (default: the first)"
    )
    parser.add_argument("--anyway", action="store_true", help="compare also where protocols differ; the table says so")
    parser.add_argument("--out", metavar="FILE", help="also write a file: .md, .csv, .json or .html")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Compare settings by their evaluated runs."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.compare import compare
    from kinsight.show import comparison_text

    found = compare(**given(options, "json"))
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    print(comparison_text(found))
    if options.out is not None:
        print(f"\nwritten: {options.out}")
