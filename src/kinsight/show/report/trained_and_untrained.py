"""What training gained: the numbers of the trained beside those of the untrained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kinsight.evaluation.estimate import PERCENT, Estimate
from kinsight.runs.evaluations import UNTRAINED, EvaluationRecord, start_of
from kinsight.show.metrics import HEADLINES, described, is_fraction, ordered, title_of


@dataclass(frozen=True)
class MetricRow:
    """One metric, of the trained and of the untrained model; at least one of them is there. `paired`: the gain over the same queries."""

    key: str
    title: str
    definition: str
    higher_is_better: bool | None
    trained: Estimate | None
    untrained: Estimate | None
    paired: Estimate | None = None

    @property
    def gain(self) -> str:
        """Trained less untrained, in percentage points with a sign; nothing unless both are there."""
        if self.trained is None or self.untrained is None:
            return ""
        # The difference of what is shown, so that a reader who subtracts finds the same.
        return PERCENT(round(self.trained.value, 3) - round(self.untrained.value, 3), signed=True)

    @property
    def gain_interval(self) -> str:
        """Of the gain, query by query; nothing where it is not known."""
        return "" if self.paired is None else self.paired.interval(signed=True)


@dataclass(frozen=True)
class TrainedAndUntrained:
    """Evaluations of the trained and the untrained model on the same pictures."""

    name: str
    split: str
    trained: EvaluationRecord | None
    untrained: EvaluationRecord | None

    @property
    def main(self) -> EvaluationRecord:
        """The trained model's, where there is one."""
        found = self.trained or self.untrained
        assert found is not None  # `side_by_side` never makes one without
        return found


def side_by_side(evaluations: Sequence[EvaluationRecord]) -> list[TrainedAndUntrained]:
    """Evaluations paired by what they were measured on; the test split first, then by name.

    The best and the last checkpoint of a run started from one network; it stands beside both.
    """
    starts = {each.name: each for each in evaluations if each.model == UNTRAINED}
    trained = {each.name: each for each in evaluations if each.model != UNTRAINED}
    found = [TrainedAndUntrained(name, each.split, each, starts.get(start_of(name))) for name, each in trained.items()]
    alone = starts.keys() - {start_of(name) for name in trained}
    found += [
        TrainedAndUntrained(name.removesuffix(f"-{UNTRAINED}"), starts[name].split, None, starts[name])
        for name in alone
    ]
    return sorted(found, key=lambda one: (one.name != "test", one.split != "test", one.name))


def metric_rows(measured: TrainedAndUntrained, gains: Mapping[str, Estimate] | None = None) -> list[MetricRow]:
    """The ranking and clustering metrics that are fractions, headlines first, in the order of METRICS."""
    keys = {key: None for one in (measured.trained, measured.untrained) if one is not None for key in one.metrics}
    return [_metric_row(key, measured, (gains or {}).get(key)) for key in ordered(keys) if is_fraction(key)]


def headlines(found: Sequence[MetricRow], count: int = 2) -> list[MetricRow]:
    """The metrics that lead the report. Precision and recall at 1 are one number; the first is taken."""
    chosen = [one for key in HEADLINES for one in found if one.key == key]
    if len(chosen) == len(HEADLINES):
        chosen.pop()
    return chosen[:count] or list(found[:1])


def _metric_row(key: str, measured: TrainedAndUntrained, paired: Estimate | None) -> MetricRow:
    metric = described(key)
    return MetricRow(
        key=key,
        title=title_of(key),
        definition="" if metric is None else metric.definition,
        higher_is_better=None if metric is None else metric.higher_is_better,
        trained=_estimate(key, measured.trained),
        untrained=_estimate(key, measured.untrained),
        paired=paired,
    )


def _estimate(key: str, result: EvaluationRecord | None) -> Estimate | None:
    return None if result is None else result.estimate(key)
