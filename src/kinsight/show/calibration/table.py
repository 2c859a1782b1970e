"""A calibration as text: what each threshold promises, and what it gave where that was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kinsight.evaluation.estimate import Estimate, Notation
from kinsight.runs.calibration import OperatingPoint
from kinsight.show.calibration.result import Calibrated, Checked
from kinsight.show.splits import split_title
from kinsight.show.table import aligned

SHARE = Notation(100, ".3g")
PAIRS, HITS, SEARCH = "the same?", "the same, of hits that people judged?", "anything like it?"


def calibration_text(found: Calibrated) -> str:
    """For a terminal: conclusions, both tables, what could not be told."""
    parts = ["\n".join(conclusion(found))]
    parts += [aligned(rows) for rows in all_rows(found)]
    return "\n\n".join([*parts, *(f"Note: {each}." for each in found.doubts)])


def conclusion(found: Calibrated) -> list[str]:
    """What the calibration means, in sentences."""
    known = found.calibration
    told = [
        f"Measured on {known.pictures:,} pictures of {known.classes:,} classes ({split_title(known.split)}): {known.same:,} pairs of one "
        f"class, {known.different:,} of two; equal error rate {SHARE(known.equal_error_rate)} %"
        + (f", ten-fold accuracy {100 * known.accuracy:.1f} %" if known.accuracy is not None else "")
        + "."
    ]
    if known.error is not None:
        told.append(
            f"Fitted to half the classes, the probability is {SHARE(known.error)} points off on the other half."
        )
    if known.judged is not None:
        told.append(
            f"Among hits: {known.judged.same:,} that people confirmed, {known.judged.different:,} that they rejected, of "
            f"{known.judged.pictures:,} pictures."
        )
    if found.checked is not None:
        told.append(_kept(found, found.checked))
    return told


def all_rows(found: Calibrated) -> list[list[list[str]]]:
    """The tables that have something to say."""
    return [rows for rows in (pairs_rows(found), judged_rows(found), search_rows(found)) if len(rows) > 1]


def pairs_rows(found: Calibrated) -> list[list[str]]:
    """Of each operating point of "the same?" its threshold, the probability there, its rates; under a head."""
    rows = _rows(PAIRS, "true accepts", found.calibration.pairs, found.checked, "pairs")
    probability = [SHARE(float(found.probability(point.threshold))) for point in found.calibration.pairs]
    return [[*row[:2], said, *row[2:]] for row, said in zip(rows, ["probability, %", *probability], strict=True)]


def judged_rows(found: Calibrated) -> list[list[str]]:
    """Of each operating point among judged hits the same."""
    known = found.calibration.judged
    if known is None:
        return []
    rows = _rows(HITS, "true accepts", known.pairs, None, "pairs")
    curve = known.likelihood
    said = ["-" if curve is None else SHARE(float(curve.probability(point.threshold))) for point in known.pairs]
    return [[*row[:2], each, *row[2:]] for row, each in zip(rows, ["probability, %", *said], strict=True)]


def search_rows(found: Calibrated) -> list[list[str]]:
    """Of each operating point of "anything like it?" its threshold and rates; under a head."""
    head = f"{SEARCH} ({found.calibration.gallery:,} pictures)"
    return _rows(head, "right hits", found.calibration.search, found.checked, "search")


def _rows(
    head: str, right: str, points: Sequence[OperatingPoint], checked: Checked | None, kind: Literal["pairs", "search"]
) -> list[list[str]]:
    there: Sequence[tuple[Estimate, ...]] = getattr(checked, kind) if checked else [()] * len(points)
    more = [f"{each} ({checked.split})" for each in ("false accepts", right)] if checked else []
    rows = [[head, "threshold", "false accepts, %", f"{right}, %", *more]]
    for point, measured in zip(points, there, strict=True):
        own = (
            _estimate(point.false, point.false_low, point.false_high),
            _estimate(point.true, point.true_low, point.true_high),
        )
        name = f"at most {SHARE(point.rate)} % false accepts"
        rows.append([name, f"{point.threshold:.3f}", *(each.text(SHARE) for each in (*own, *measured))])
    return rows


def _estimate(value: float, low: float | None, high: float | None) -> Estimate:
    return Estimate(value) if low is None or high is None else Estimate.between(value, low, high, "bootstrap")


def _kept(found: Calibrated, checked: Checked) -> str:
    """Whether what was promised holds on other pictures."""
    judged = [
        (point.rate, false)
        for points, measured in (
            (found.calibration.pairs, checked.pairs),
            (found.calibration.search, checked.search),
        )
        for point, (false, _) in zip(points, measured, strict=True)
    ]
    broken = [(rate, false) for rate, false in judged if (false.low if false.low is not None else false.value) > rate]
    where = f"on {checked.pictures:,} pictures of {checked.classes:,} classes ({split_title(checked.split)})"
    if not broken:
        return f"Checked {where}: none of {len(judged)} thresholds accepts clearly more than it promised."
    rate, false = broken[0]
    return (
        f"Checked {where}: {len(broken)} of {len(judged)} thresholds accept clearly more than they promised, for example "
        f"{false.text(SHARE, unit='%')} instead of {SHARE(rate)} %; these classes are harder to tell apart than those of the calibration."
    )
