"""kinsight diagnose"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """Compare runs."""
    parser = argparse.ArgumentParser(
        prog="kinsight diagnose",
        description="Two or more runs side by side: what they find and where they look, on seen and on unseen classes, and the pairs "
        "that they judge most differently, each explained.",
    )
    parser.add_argument("runs", nargs="+", metavar="run", help="run folders, trained on the same data")
    parser.add_argument("--out", default="diagnosis.html", help="the page (default: diagnosis.html)")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of each two runs (default: 6)")
    parser.add_argument("--stage", type=int, default=0, help="0: the last map; 1, 2: finer maps (default: 0)")
    parser.add_argument("--limit", type=int, help="at most so many pictures of each split, drawn from the seed")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    options = parser.parse_args(list(arguments))

    from kinsight.api import diagnose
    from kinsight.show import diagnosis_table

    found = diagnose(
        options.runs, out=options.out, pairs=options.pairs, stage=options.stage, limit=options.limit, seed=options.seed
    )
    print(diagnosis_table(found.measured))
    print(f"\npage: {options.out}")
