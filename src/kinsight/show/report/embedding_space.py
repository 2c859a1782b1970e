"""Numbers about the space itself, each with a plain sentence of what it means."""

from __future__ import annotations

from dataclasses import dataclass

from kinsight.runs.evaluations import EvaluationRecord
from kinsight.show.metrics import described, is_diagnosis, ordered, title_of
from kinsight.show.report.trained_and_untrained import TrainedAndUntrained

EFFECTIVE = "effective_dimensions_"

# What a reader should take from a number; what it is stands with the metric itself.
MEANINGS = {
    EFFECTIVE: "Few of many dimensions: the embedding could be smaller, or has begun to collapse.",
    "spectrum_decay": "The larger, the fewer directions carry the embedding.",
    "intra_class_distance": "Training makes it small against the distance between classes; near 0 the pictures of a class can "
    "no longer be told apart.",
    "inter_class_distance": "Unrelated directions have 2.",
    "hubness": "Near 0 all pictures are found about equally often; large values mean that a few hubs crowd many answers.",
    "antihubs": "A large share means that many pictures can hardly be found.",
}


@dataclass(frozen=True)
class Reading:
    """One number of the space, trained and untrained (empty where not measured), and what it means."""

    title: str
    sentence: str
    trained: str
    untrained: str


def readings(measured: TrainedAndUntrained) -> list[Reading]:
    """What describes the space; the effective dimensions at several shares of variance are one reading."""
    both = (measured.trained, measured.untrained)
    keys = ordered(key for key in {key: None for one in both if one for key in one.metrics} if is_diagnosis(key))
    effective = sorted((key for key in keys if key.startswith(EFFECTIVE)), key=lambda key: (len(key), key))
    found = []
    if effective:
        shares = " / ".join(key.removeprefix(EFFECTIVE) for key in effective)
        what = f"Principal components that hold {shares} % of the variance of the embeddings."
        shown = [" / ".join(filter(None, (_shown(key, one) for key in effective))) for one in both]
        found.append(Reading("Effective dimensions", f"{what} {MEANINGS[EFFECTIVE]}", *shown))
    for key in keys:
        if key not in effective:
            metric = described(key)
            parts = [metric.definition if metric else "", MEANINGS.get(key, "")]
            found.append(Reading(title_of(key), " ".join(filter(None, parts)), *(_shown(key, one) for one in both)))
    return found


def _shown(key: str, result: EvaluationRecord | None) -> str:
    if result is None or key not in result.metrics:
        return ""
    value = result.metrics[key]
    if key == "antihubs":
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if key.startswith(EFFECTIVE) else f"{value:.2f}"
