"""Numbers of an evaluation made readable: titles, percent, intervals, trained beside untrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kinsight.evaluation import METRICS
from kinsight.show.results import Result

# What leads when several are there: the one number that looks at the whole ranking, then the one everybody knows.
HEADLINES = ("map_at_r", "precision_at_1", "recall_at_1")

# Numbers that describe the space, not how well it ranks; they are explained in words elsewhere.
DIAGNOSIS = (
    "effective_",
    "hubness",
    "spectrum",
    "distance",
    "intra_",
    "inter_",
    "between_",
    "within_",
    "antihub",
    "alignment",
    "uniformity",
)

# Numbers whose unit is a count; they carry no percent.
COUNTS = ("queries", "gallery", "classes", "pictures", "dimensions", "clusters", "excluded")


@dataclass(frozen=True)
class Figure:
    """A number, and where known its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def percent(self) -> str:
        return f"{100 * self.value:.1f}"

    @property
    def interval(self) -> str:
        """`40.1 to 42.3` in percent, or nothing."""
        return "" if self.low is None or self.high is None else f"{100 * self.low:.1f} to {100 * self.high:.1f}"


@dataclass(frozen=True)
class Comparison:
    """One metric, of the trained and of the untrained model; at least one of them is there."""

    key: str
    title: str
    definition: str
    higher_is_better: bool
    trained: Figure | None
    untrained: Figure | None

    @property
    def gain(self) -> str:
        """Trained less untrained, in percentage points with a sign; nothing unless both are there."""
        if self.trained is None or self.untrained is None:
            return ""
        # The difference of what is shown, so that a reader who subtracts finds the same.
        return f"{round(100 * self.trained.value, 1) - round(100 * self.untrained.value, 1):+.1f}".replace(
            "-", "\N{MINUS SIGN}"
        )


@dataclass(frozen=True)
class Setting:
    """Evaluations of the trained and the untrained model on the same pictures."""

    name: str
    split: str
    trained: Result | None
    untrained: Result | None

    @property
    def main(self) -> Result:
        found = self.trained or self.untrained
        assert found is not None  # `settings` never makes one without
        return found


def settings(evaluations: Sequence[Result]) -> list[Setting]:
    """Evaluations paired by what they were measured on; the test split first, then by name."""
    pairs: dict[str, dict[str, Result]] = {}
    splits: dict[str, str] = {}
    for evaluation in evaluations:
        name = evaluation.name.removesuffix("-untrained")
        pairs.setdefault(name, {})["untrained" if evaluation.model == "untrained" else "trained"] = evaluation
        splits[name] = evaluation.split
    found = [Setting(name, splits[name], pair.get("trained"), pair.get("untrained")) for name, pair in pairs.items()]
    return sorted(found, key=lambda one: (one.name != "test", one.split != "test", one.name))


def comparisons(setting: Setting) -> list[Comparison]:
    """The ranking and clustering metrics of a setting that are fractions, headlines first, in the order of METRICS."""
    keys = {key: None for one in (setting.trained, setting.untrained) if one is not None for key in one.metrics}
    order = {key: place for place, key in enumerate([*HEADLINES, *METRICS])}
    shown = [key for key in keys if not is_bound(key, keys) and is_fraction(key)]
    return [_comparison(key, setting) for key in sorted(shown, key=lambda key: order.get(key, len(order)))]


def headlines(found: Sequence[Comparison], count: int = 2) -> list[Comparison]:
    """The comparisons that lead the report. Precision and recall at 1 are one number; the first is taken."""
    chosen = [one for key in HEADLINES for one in found if one.key == key]
    if len(chosen) == len(HEADLINES):
        chosen.pop()
    return chosen[:count] or list(found[:1])


def title_of(key: str) -> str:
    """The readable name of a metric, or its key in words."""
    metric = METRICS.get(key)
    return str(metric.title) if metric is not None else key.replace("_", " ")


def is_bound(key: str, keys: Mapping[str, object]) -> bool:
    """Whether this is the end of another number's interval."""
    return any(key.endswith(end) and key.removesuffix(end) in keys for end in ("_low", "_high"))


def is_fraction(key: str) -> bool:
    """Whether the number is a fraction, to be shown in percent."""
    return not is_diagnosis(key) and key not in COUNTS and not key.startswith(("n_", "number_"))


def is_diagnosis(key: str) -> bool:
    """Whether the number describes the space and not how well it ranks."""
    return any(word in key for word in DIAGNOSIS)


def _comparison(key: str, setting: Setting) -> Comparison:
    metric = METRICS.get(key)
    return Comparison(
        key=key,
        title=title_of(key),
        definition="" if metric is None else str(metric.definition),
        higher_is_better=metric is None or bool(metric.higher_is_better),
        trained=_figure(key, setting.trained),
        untrained=_figure(key, setting.untrained),
    )


def _figure(key: str, evaluation: Result | None) -> Figure | None:
    if evaluation is None or key not in evaluation.metrics:
        return None
    metrics = evaluation.metrics
    return Figure(metrics[key], metrics.get(f"{key}_low"), metrics.get(f"{key}_high"))
