"""kinsight compare"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """Compare settings by their evaluated runs."""
    parser = argparse.ArgumentParser(
        prog="kinsight compare",
        description="Settings side by side: runs that differ only in seed and fold are one setting, paired with the baseline's runs by "
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
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(list(arguments))

    from kinsight.api import compare
    from kinsight.show import comparison_text, write_comparison
    from kinsight.show.comparison.files import check_format

    if options.out is not None:
        check_format(options.out)
    found = compare(
        options.runs, name=options.name, metrics=options.metrics, baseline=options.baseline, anyway=options.anyway
    )
    if options.out is not None:
        write_comparison(options.out, found)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    print(comparison_text(found))
    if options.out is not None:
        print(f"\nwritten: {options.out}")
