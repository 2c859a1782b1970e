"""kinsight.report: the report of a run, from what its folder holds."""

from __future__ import annotations

from pathlib import Path

from kinsight.runs.folder import RunFolder
from kinsight.show import write_report


def report(run: str | Path) -> Path:
    """Write `report.html` of a run anew from what its folder holds.

    Raises:
        KinsightError: there is no run, or one of its files is damaged.
    """
    return write_report(RunFolder(run).require().path)
