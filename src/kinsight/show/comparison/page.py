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
    titles,
)
from kinsight.show.comparison.result import Comparison
from kinsight.show.metrics import described, is_fraction, title_of
from kinsight.show.page import environment


def comparison_html(found: Comparison) -> str:
    """One self-contained page: what differs, means, differences to the baseline, notes, what the metrics mean."""
    return environment().get_template("comparison.html").render(**_content(found))


def _content(found: Comparison) -> dict[str, Any]:
    names = [row.setting for row in found.rows]
    return {
        "name": found.name,
        "baseline": found.baseline,
        "settings": names,
        "titles": titles(found),
        "percent": all(map(is_fraction, found.metrics)),
        "costs": COSTS,
        "recipe": [(key, [setting_text(values[name]) for name in names]) for key, values in found.recipe.items()],
        "means": [
            (row.setting, row.n, [_mean(key, row.values.get(key)) for key in found.metrics], costs_of(row))
            for row in found.rows
        ],
        "differences": [
            (row.setting, row.pairs, [_difference(key, row.differences.get(key)) for key in found.metrics])
            for row in others(found)
        ],
        "disagreements": list(found.disagreements),
        "sentences": [*found.notes, *legend(found)],
        "metrics": [(title_of(key), metric.definition) for key in found.metrics if (metric := described(key))],
    }


def _mean(key: str, estimate: Estimate | None) -> dict[str, str]:
    if estimate is None:
        return {"value": "-", "interval": "", "verdict": ""}
    return {"value": estimate.number(notation_of(key)), "interval": interval_of(key, estimate), "verdict": ""}


def _difference(key: str, estimate: Estimate | None) -> dict[str, str]:
    if estimate is None:
        return {"value": "-", "interval": "", "verdict": ""}
    return {
        "value": estimate.number(notation_of(key), signed=True),
        "interval": interval_of(key, estimate, signed=True),
        "verdict": _verdict(key, estimate),
    }


def _verdict(key: str, estimate: Estimate) -> str:
    """`right` or `wrong` for a difference whose interval excludes zero, `sure` where neither direction is better."""
    if not estimate.excludes_zero:
        return ""
    metric = described(key)
    if metric is None or metric.higher_is_better is None:
        return "sure"
    return "right" if (estimate.value > 0) == metric.higher_is_better else "wrong"
