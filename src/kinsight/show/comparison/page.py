"""The page of a comparison of settings: one file without outside references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.comparison.cells import (
    COSTS,
    costs_of,
    interval_of,
    legend,
    notation_of,
    others,
    setting_text,
)
from kinsight.show.comparison.result import Comparison, definition_of
from kinsight.show.comparison.verdict import side_of, verdicts
from kinsight.show.metrics import is_fraction, title_of
from kinsight.show.page import environment


def comparison_html(found: Comparison) -> str:
    """One self-contained page: the verdicts, each metric with its differences to the baseline, what differs, costs, notes."""
    return environment().get_template("comparison.html").render(**_content(found))


def _content(found: Comparison) -> dict[str, Any]:
    names = [row.setting for row in found.rows]
    return {
        "name": found.name,
        "baseline": found.baseline,
        "settings": names,
        "verdicts": verdicts(found),
        "metrics": [_metric(found, key) for key in found.metrics],
        "compared": bool(others(found)),
        "recipe": [
            (key, [(name, setting_text(values[name])) for name in names]) for key, values in found.recipe.items()
        ],
        "costs": COSTS,
        "costing": [(row.setting, costs_of(row)) for row in found.rows],
        "disagreements": list(found.disagreements),
        "sentences": [*found.notes, *legend(found)],
    }


def _metric(found: Comparison, key: str) -> dict[str, Any]:
    """The settings by one metric, all drawn on one scale, and their differences on another, which has zero in its middle."""
    values = [row.values.get(key) for row in found.rows]
    differences = [row.differences.get(key) for row in found.rows]
    low, high = _extent(values, key)
    reach = max((abs(end) for one in differences if one for end in _ends(one)), default=0.0) or 1.0
    return {
        "title": title_of(key),
        "unit": "percent" if is_fraction(key) else "",
        "definition": definition_of(key),
        "scale": (notation_of(key)(low), notation_of(key)(high)),
        "rows": [
            {
                "setting": row.setting,
                "baseline": row.setting == found.baseline,
                "n": row.n,
                "pairs": row.pairs,
                "value": _cell(key, value, low, high),
                "difference": _cell(key, difference, -reach, reach, signed=True),
                "side": "" if difference is None else side_of(key, difference),
            }
            for row, value, difference in zip(found.rows, values, differences, strict=True)
        ],
    }


def _cell(
    key: str, estimate: Estimate | None, low: float, high: float, *, signed: bool = False
) -> dict[str, Any] | None:
    """A number, its interval, and where both lie between `low` and `high`, in percent."""
    if estimate is None or not estimate.known:
        return None
    first, last = estimate.ends or (estimate.value, estimate.value)
    at = [100 * (each - low) / (high - low) for each in (first, estimate.value, last)]
    return {
        "number": estimate.number(notation_of(key), signed=signed),
        "interval": interval_of(key, estimate, signed=signed),
        "at": [f"{min(max(each, 0), 100):.2f}" for each in at],
        "drawn": estimate.ends is not None,
    }


def _extent(values: Sequence[Estimate | None], key: str) -> tuple[float, float]:
    """From the least to the largest end of all, a little wider, but not wider than is possible."""
    ends = [end for one in values if one is not None and one.known for end in _ends(one)]
    if not ends:
        return 0.0, 1.0
    margin = 0.1 * (max(ends) - min(ends)) or 0.05 * abs(max(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin
    return (max(low, min(0.0, *ends)), min(high, 1.0)) if is_fraction(key) else (low, high)


def _ends(estimate: Estimate) -> tuple[float, ...]:
    return estimate.ends or (estimate.value,)
