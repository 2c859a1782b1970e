"""A comparison of settings: what its text, Markdown, CSV, JSON and page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.metrics import described, title_of


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        setting: its name.
        n: independent runs; runs of one and the same model count once.
        values: each metric over the runs.
        pairs: pairs with the baseline, of the same seed and fold; 0 for the baseline itself.
        differences: each metric less the baseline's, over the pairs; empty without any.
        dimension: of the embedding.
        parameters: of the trained embedder; None where another model was evaluated.
        minutes: mean time of training; None where another model was evaluated.
    """

    setting: str
    n: int
    values: Mapping[str, Estimate]
    pairs: int
    differences: Mapping[str, Estimate]
    dimension: int | None
    parameters: int | None
    minutes: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {
            part: {key: estimate.to_dict() for key, estimate in getattr(self, part).items()}
            for part in ("values", "differences")
        }
        return {**asdict(self), **estimates}


@dataclass(frozen=True)
class Comparison:
    """Settings side by side.

    Attributes:
        name: of the evaluation.
        baseline: the setting that the others are compared with, the first row.
        metrics: keys of metrics, in the order of their columns.
        rows: one of each setting.
        recipe: the recipe keys that differ, each with its value by setting; None: not set.
        disagreements: what the protocols of the runs do not share; empty unless compared anyway.
        notes: what else a reader must know of the numbers, in sentences.
        runs: one of each run: setting, run, seed, fold, metrics.
    """

    name: str
    baseline: str
    metrics: Sequence[str]
    rows: Sequence[Row]
    recipe: Mapping[str, Mapping[str, Any]]
    disagreements: Sequence[str]
    notes: Sequence[str]
    runs: Sequence[Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; fractions, not percent."""
        return {
            "name": self.name,
            "baseline": self.baseline,
            "metrics": {key: {"title": title_of(key), "definition": definition_of(key)} for key in self.metrics},
            "rows": [row.to_dict() for row in self.rows],
            "recipe": {key: dict(values) for key, values in self.recipe.items()},
            "disagreements": list(self.disagreements),
            "notes": list(self.notes),
            "runs": [dict(run) for run in self.runs],
        }


def definition_of(key: str) -> str:
    """What a metric means, in one sentence."""
    metric = described(key)
    return "" if metric is None else metric.definition
