"""Numbers of an evaluation made readable: titles, percent, intervals, trained beside untrained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinsight.errors import KinsightError
from kinsight.evaluation import METRICS, Metric, describe
from kinsight.runs.results import Result

# What leads when several are there: the one number that looks at the whole ranking, then the one everybody knows.
HEADLINES = ("map_at_r", "precision_at_1", "recall_at_1")

# Numbers of the space itself; the report gives each a sentence instead of a row.
DIAGNOSIS = (
    "effective_dimensions_",
    "spectrum_decay",
    "intra_class_distance",
    "inter_class_distance",
    "hubness",
    "antihubs",
)

COUNTS = ("queries", "gallery", "classes", "skipped_queries")

ENDS = ("_low", "_high", "_sd")


@dataclass(frozen=True)
class Figure:
    """A number, and where known its 95 % interval or its standard deviation over starts."""

    value: float
    low: float | None = None
    high: float | None = None
    deviation: float | None = None

    @property
    def percent(self) -> str:
        return f"{100 * self.value:.1f}"

    @property
    def interval(self) -> str:
        """`40.1 to 42.3` in percent, `± 0.4` where only a standard deviation is known, or nothing."""
        if self.low is not None and self.high is not None:
            return f"{100 * self.low:.1f} to {100 * self.high:.1f}"
        return "" if self.deviation is None else f"± {100 * self.deviation:.1f}"


@dataclass(frozen=True)
class Comparison:
    """One metric, of the trained and of the untrained model; at least one of them is there."""

    key: str
    title: str
    definition: str
    higher_is_better: bool | None
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
    return [_comparison(key, setting) for key in ordered(keys) if is_fraction(key)]


def headlines(found: Sequence[Comparison], count: int = 2) -> list[Comparison]:
    """The comparisons that lead the report. Precision and recall at 1 are one number; the first is taken."""
    chosen = [one for key in HEADLINES for one in found if one.key == key]
    if len(chosen) == len(HEADLINES):
        chosen.pop()
    return chosen[:count] or list(found[:1])


def ordered(keys: Iterable[str]) -> list[str]:
    """Metrics without the ends of their intervals: headlines first, then in the order of METRICS, recalls by their k."""
    keys = list(keys)
    places = {key: place for place, key in enumerate(dict.fromkeys([*HEADLINES, *METRICS]))}

    def place(key: str) -> tuple[int, int]:
        k = key.removeprefix("recall_at_")
        if k.isdecimal():
            return (places["recall_at_1"], int(k))
        return (places.get(key, len(places)), 0)

    named = [key for key in keys if not any(key.endswith(end) and key.removesuffix(end) in keys for end in ENDS)]
    return sorted(named, key=place)


def described(key: str) -> Metric | None:
    """What the evaluation says of a metric; nothing for one that it does not know (from an older or newer version)."""
    try:
        return describe(key)
    except KinsightError:
        return None


def title_of(key: str) -> str:
    """The readable name of a metric, or its key in words."""
    metric = described(key)
    return key.replace("_", " ") if metric is None else metric.title


def is_fraction(key: str) -> bool:
    """Whether the number is a fraction, to be shown in percent as a measure of ranking or clustering."""
    return key not in COUNTS and not is_diagnosis(key)


def is_diagnosis(key: str) -> bool:
    """Whether the number describes the space and not how well it ranks."""
    return key.startswith(DIAGNOSIS)


def _comparison(key: str, setting: Setting) -> Comparison:
    metric = described(key)
    return Comparison(
        key=key,
        title=title_of(key),
        definition="" if metric is None else metric.definition,
        higher_is_better=None if metric is None else metric.higher_is_better,
        trained=figure_of(key, setting.trained),
        untrained=figure_of(key, setting.untrained),
    )


def figure_of(key: str, evaluation: Result | None) -> Figure | None:
    """The number under a key, or None where it was not measured."""
    if evaluation is None or key not in evaluation.metrics:
        return None
    metrics = evaluation.metrics
    return Figure(metrics[key], *(metrics.get(f"{key}{end}") for end in ENDS))
