"""The page of a comparison of settings: one file without outside references."""

from __future__ import annotations

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
from kinsight.show.estimates import drawn, extent, reach
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
    low, high = extent(values, key)
    end = reach(differences)
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
                "difference": _cell(key, difference, -end, end, signed=True),
                "side": "" if difference is None else side_of(key, difference),
            }
            for row, value, difference in zip(found.rows, values, differences, strict=True)
        ],
    }


def _cell(
    key: str, estimate: Estimate | None, low: float, high: float, *, signed: bool = False
) -> dict[str, Any] | None:
    interval = None if estimate is None else interval_of(key, estimate, signed=signed)
    return drawn(estimate, low, high, notation_of(key), interval=interval, signed=signed)
