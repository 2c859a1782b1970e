"""Estimates drawn on a scale beside their numbers: what the pages of comparisons and studies put into a cell (`estimates.html`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.evaluation.estimate import Notation
from kinsight.show.metrics import is_fraction


def drawn(
    estimate: Estimate | None,
    low: float,
    high: float,
    notation: Notation,
    *,
    interval: str | None = None,
    signed: bool = False,
) -> dict[str, Any] | None:
    """A number, its interval, and where both lie between `low` and `high`, in percent; None where there is no number.

    Args:
        interval: the interval in other words.
    """
    if estimate is None or not estimate.known:
        return None
    first, last = estimate.ends or (estimate.value, estimate.value)
    at = [100 * (each - low) / (high - low) for each in (first, estimate.value, last)]
    return {
        "number": estimate.number(notation, signed=signed),
        "interval": estimate.interval(notation, signed=signed) if interval is None else interval,
        "at": [f"{min(max(each, 0), 100):.2f}" for each in at],
        "drawn": estimate.ends is not None,
    }


def extent(values: Sequence[Estimate | None], key: str) -> tuple[float, float]:
    """From the least to the largest end of all, a little wider, but not wider than is possible."""
    ends = [end for one in values if one is not None and one.known for end in ends_of(one)]
    if not ends:
        return 0.0, 1.0
    margin = 0.1 * (max(ends) - min(ends)) or 0.05 * abs(max(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin
    return (max(low, min(0.0, *ends)), min(high, 1.0)) if is_fraction(key) else (low, high)


def reach(differences: Sequence[Estimate | None]) -> float:
    """How far from zero a scale of differences goes to both sides."""
    return max((abs(end) for one in differences if one and one.known for end in ends_of(one)), default=0.0) or 1.0


def ends_of(estimate: Estimate) -> tuple[float, ...]:
    """The ends of the interval, or the number alone."""
    return estimate.ends or (estimate.value,)
