"""The numbers of a comparison as the texts of its cells, and the sentences that say what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kinsight.evaluation.estimate import DIGITS, NO_INTERVAL, PERCENT, Estimate, Notation
from kinsight.show.comparison.result import Comparison, Row
from kinsight.show.metrics import is_fraction, title_of

RESAMPLED = "†"  # marks an interval of the other kind
OUTSIDE = "*"  # marks a difference whose interval excludes zero


def notation_of(key: str) -> Notation:
    """How a metric is written: percent, or a plain number."""
    return PERCENT if is_fraction(key) else DIGITS


def interval_of(key: str, estimate: Estimate, *, signed: bool = False) -> str:
    """`[78.4, 79.6]` with its mark, `[none]` or nothing."""
    mark = RESAMPLED if estimate.ends and estimate.method == "bootstrap" else ""
    return estimate.interval(notation_of(key), signed=signed) + mark


def costs_of(row: Row) -> list[str]:
    """Dimension, parameters in millions, minutes."""
    return [
        "-" if row.dimension is None else str(row.dimension),
        "-" if row.parameters is None else f"{row.parameters / 1e6:.2f} M",
        "-" if row.minutes is None else f"{row.minutes:.1f}",
    ]


COSTS = ("dim", "parameters", "minutes")


def titles(found: Comparison) -> list[str]:
    """What stands above the metrics; where not all are fractions, which are in percent."""
    plain = all(map(is_fraction, found.metrics))
    return [title_of(key) + ("" if plain or not is_fraction(key) else ", %") for key in found.metrics]


def to_baseline(found: Comparison) -> str:
    """What stands above a difference."""
    return f"difference to {found.baseline}"


def others(found: Comparison) -> list[Row]:
    """The rows that are compared with the baseline."""
    return [row for row in found.rows if row.setting != found.baseline]


def setting_text(value: Any) -> str:
    """A value of a recipe; `-` where the recipe does not set it."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def legend(found: Comparison) -> Iterator[str]:
    """What the intervals and marks in these tables mean; only of those that are there."""
    estimates = [estimate for row in found.rows for estimate in (*row.values.values(), *row.differences.values())]
    methods = {estimate.method for estimate in estimates if estimate.ends}
    if "t" in methods:
        yield (
            "[ ]: 95 %, Student's t over the n runs (differences: over the pairs of the same seed and fold): what other seeds and folds "
            "would give, on these pictures."
        )
    if "bootstrap" in methods:
        yield (
            f"[ ]{RESAMPLED}: one run or pair; 95 %, bootstrap over classes and the queries within them: what other pictures would give, "
            "with this very training."
        )
    if any(estimate.method is None for estimate in estimates):
        yield "Without [ ]: fewer than three runs or pairs, and nothing to resample."
    if any(estimate.method is not None and estimate.ends is None for estimate in estimates):
        yield f"{NO_INTERVAL}: no interval, since all values are alike."
    if any(estimate.excludes_zero for row in found.rows for estimate in row.differences.values()):
        yield (
            f"{OUTSIDE}: the interval of the difference excludes zero; where nothing differs that still happens once in 20 intervals."
        )
