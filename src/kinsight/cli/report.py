"""kinsight report"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser("report", "Write the report of a run anew.")
    parser.add_argument("run", help="the run folder")
    return parser


def run(arguments: Sequence[str]) -> None:
    """Write report.html of a run anew from what the folder holds."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.report import report

    print(f"report: {report(options.run)}")
