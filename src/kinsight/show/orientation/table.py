"""Errors of headings as plain text."""

from __future__ import annotations

from textwrap import fill

from kinsight.evaluation.estimate import PERCENT, Notation
from kinsight.explanation.measuring.orientation_result import CHANCE, COMPARED, Orientation
from kinsight.show.orientation.verdict import orientation_verdict
from kinsight.show.table import aligned, with_note

DEGREES = Notation(1, ".1f")


def way_rows(found: Orientation) -> list[list[str]]:
    """A head, and how often each way is right and how far off it is."""
    head = [f"{len(found)} pairs", f"within {found.within:g} degrees, %", "median error, degrees"]
    return [
        head,
        *([way, found.rate(way).text(), found.median(way).text(DEGREES)] for way in (*found.ways, CHANCE)),
    ]


def difference_rows(found: Orientation) -> list[list[str]]:
    """A head, how much more often one way is right than another, and what confidence tells apart."""
    rows = [["on the same pairs", "points more often right"]]
    for way, other in COMPARED:
        if {way, other} <= set(found.ways):
            rows.append([f"{way} - {other}", found.difference(way, other).text(PERCENT, signed=True)])
    return rows


def confidence_rows(found: Orientation) -> list[list[str]]:
    """A head, and how often the votes are right in each half by confidence, and where a probability is said, in each fifth."""
    rows = [["by confidence", "said, %", "right, %", "pairs"]]
    halves = zip(("surer half", "other half"), found.halves, (found.confident, ~found.confident), strict=True)
    rows += [[name, "", rate.text(), str(int(mine.sum()))] for name, rate, mine in halves]
    for number, (said, right, count) in enumerate(found.reliability(), start=1):
        rows.append([f"fifth {number}", f"{100 * said:.1f}", f"{100 * right:.1f}", str(count)])
    return rows


def orientation_table(found: Orientation) -> str:
    """What the errors say, and the figures."""
    said = fill(orientation_verdict(found), 100)
    if found.true is None:
        return said
    tables = [aligned(rows(found)) for rows in (way_rows, difference_rows, confidence_rows)]
    return with_note("\n\n".join([said, *tables]))
