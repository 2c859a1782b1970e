"""Which setting is better, in a sentence each, and how sure that is."""

from __future__ import annotations

from kinsight.evaluation import Estimate
from kinsight.show.comparison.cells import notation_of, others
from kinsight.show.comparison.result import Comparison, Row
from kinsight.show.metrics import described, title_of

JUDGED_BY = ("precision_at_1", "map_at_r", "recall_at_1")


def verdicts(found: Comparison) -> list[tuple[str, str]]:
    """For each setting beside the baseline (a kind: `right`, `wrong` or nothing; a sentence)."""
    key = judged_by(found)
    return [_verdict(found, row, key) for row in others(found)] if key else []


def judged_by(found: Comparison) -> str | None:
    """The metric that decides: precision at 1 where it was compared, else the first that has a better direction."""
    known = [key for key in found.metrics if (metric := described(key)) and metric.higher_is_better is not None]
    return next((key for key in JUDGED_BY if key in known), known[0] if known else None)


def side_of(key: str, estimate: Estimate) -> str:
    """`right` or `wrong` for a difference whose interval excludes zero, `sure` where neither direction is better, else nothing."""
    if not estimate.excludes_zero:
        return ""
    metric = described(key)
    if metric is None or metric.higher_is_better is None:
        return "sure"
    return "right" if (estimate.value > 0) == metric.higher_is_better else "wrong"


def _verdict(found: Comparison, row: Row, key: str) -> tuple[str, str]:
    difference = row.differences.get(key)
    if difference is None:
        return "", f"{row.setting} was not compared with {found.baseline}: no run of the same seed and fold."
    side = side_of(key, difference)
    figures = f"{title_of(key)} {difference.text(notation_of(key), signed=True)}"
    if difference.ends is None:
        count = f"{row.pairs} pairs of runs" if row.pairs > 1 else "one pair of runs"
        why = (
            "all differences are alike"
            if difference.method
            else f"from {count} no interval; train three seeds or more of each"
        )
        return "", f"Cannot tell {row.setting} from {found.baseline}: {figures}; {why}."
    if not side:
        return "", f"Cannot tell {row.setting} from {found.baseline}: {figures}; the interval holds zero."
    word = "better" if side == "right" else "worse"
    if difference.method == "bootstrap":
        return (
            side,
            f"{row.setting} is {word} than {found.baseline} in this one pair of runs: {figures}; other seeds may say otherwise.",
        )
    return side, f"{row.setting} is {word} than {found.baseline}: {figures} over {row.pairs} pairs of runs."
