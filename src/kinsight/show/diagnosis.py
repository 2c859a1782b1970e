"""Numbers about the space itself, each with a plain sentence of what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kinsight.evaluation import METRICS
from kinsight.show.figures import Setting, is_bound, is_diagnosis, title_of

# What a reader should take from a number; the definition itself stands with the metric.
MEANINGS: dict[str, str] = {}


@dataclass(frozen=True)
class Reading:
    """One number of the space, trained and untrained (empty where not measured), and what it means."""

    key: str
    title: str
    sentence: str
    trained: str
    untrained: str


def readings(setting: Setting) -> list[Reading]:
    """What describes the space of a setting, in the order of the stored numbers."""
    both = [{} if one is None else one.metrics for one in (setting.trained, setting.untrained)]
    keys = {key: None for metrics in both for key in metrics}
    found = []
    for key in keys:
        if is_diagnosis(key) and not is_bound(key, keys):
            trained, untrained = (_shown(key, metrics) for metrics in both)
            found.append(Reading(key, title_of(key), _sentence(key), trained, untrained))
    return found


def _sentence(key: str) -> str:
    metric = METRICS.get(key)
    parts = ["" if metric is None else str(metric.definition), MEANINGS.get(key, "")]
    return " ".join(part for part in parts if part)


def _shown(key: str, metrics: Mapping[str, float]) -> str:
    if key not in metrics:
        return ""
    value = metrics[key]
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
