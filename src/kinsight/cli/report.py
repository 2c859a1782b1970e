"""kinsight report"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """Write report.html of a run anew from what the folder holds."""
    parser = argparse.ArgumentParser(prog="kinsight report", description="Write the report of a run anew.")
    parser.add_argument("run", help="the run folder")
    options = parser.parse_args(list(arguments))

    from kinsight.api import report

    print(f"report: {report(options.run)}")
