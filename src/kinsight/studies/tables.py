"""The two tables of a study: separated and concatenated, a row a method, with intervals over its repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinsight.evaluation import Estimate
from kinsight.evaluation.comparison import difference_over_runs, over_runs
from kinsight.studies.jobs import UNTRAINED, Finished, Job, best_values, tried_values
from kinsight.studies.study import Method, Study

SEPARATED, CONCATENATED = "separated", "concatenated"
PROTOCOLS = (SEPARATED, CONCATENATED)
_FRACTION = (0.0, 1.0)
_DIFFERENCE = (-1.0, 1.0)

Cells = dict[str, Estimate]
"""Metrics by their names."""


@dataclass(frozen=True)
class MethodRow:
    """What a study knows of one method.

    Attributes:
        name, title, baseline: as in `Method`; the untrained trunk has none of a baseline.
        repeats: how many are behind the numbers of each table, by protocol.
        cells: the metrics by protocol; separated: the mean of the folds' models, concatenated: these side by side.
        differences: to the baseline, repeat by repeat, by protocol.
        values: the best values of the settings that were searched; None while the search goes on.
        validation: their mean validation MAP@R over the folds.
        minutes: mean of a training.
        parameters: of the model, trunk and head.
        failed: sentences of the trainings with the best setting that failed.
        trials_failed: how many trainings of the search did.
        unfinished: how many trainings with the best setting were best at their very last step, so that more steps might help.
    """

    name: str
    title: str
    baseline: str | None = None
    repeats: dict[str, int] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)
    differences: dict[str, Cells] = field(default_factory=dict)
    values: dict[str, Any] | None = None
    validation: float | None = None
    minutes: float | None = None
    parameters: int | None = None
    failed: list[str] = field(default_factory=list)
    trials_failed: int = 0
    unfinished: int = 0


@dataclass(frozen=True)
class StudyTable:
    """Both tables: the untrained trunk, where it is measured already, and the methods in the study's order."""

    study: Study
    rows: list[MethodRow]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, fractions."""
        return {"rows": [_plain(row) for row in self.rows], "metrics": list(self.study.metrics)}


def study_table_of(study: Study, finished: Finished) -> StudyTable:
    """The tables as far as the study has come."""
    per_repeat = {method.name: _repeats(study, method, finished) for method in study.methods}
    rows = [_untrained(study, finished)] if Job(UNTRAINED).path in finished else []
    return StudyTable(study, rows + [_row(study, method, finished, per_repeat) for method in study.methods])


_Repeats = dict[str, dict[int, dict[str, float]]]
"""By protocol and repeat the metrics."""


def _repeats(study: Study, method: Method, finished: Finished) -> _Repeats:
    found: _Repeats = {protocol: {} for protocol in PROTOCOLS}
    for repeat in range(study.repeats):
        folds = [finished.get(Job("repeat", method.name, repeat, fold).path) for fold in range(study.folds)]
        known = [result.metrics for result in folds if result is not None and result.metrics]
        if len(known) == study.folds:
            found[SEPARATED][repeat] = {
                metric: float(np.mean([each[metric] for each in known])) for metric in study.metrics
            }
        together = finished.get(Job("concatenated", method.name, repeat).path)
        if together is not None and together.metrics:
            found[CONCATENATED][repeat] = together.metrics
    return found


def _untrained(study: Study, finished: Finished) -> MethodRow:
    result = finished[Job(UNTRAINED).path]
    cells = {metric: Estimate(result.metrics[metric]) for metric in study.metrics}
    return MethodRow(
        UNTRAINED, "Untrained trunk", cells=dict.fromkeys(PROTOCOLS, cells), repeats=dict.fromkeys(PROTOCOLS, 1),
        parameters=result.parameters,
    )  # fmt: skip


def _row(study: Study, method: Method, finished: Finished, per_repeat: Mapping[str, _Repeats]) -> MethodRow:
    ours = per_repeat[method.name]
    cells = {
        protocol: {metric: over_runs([each[metric] for each in known.values()], _FRACTION) for metric in study.metrics}
        for protocol, known in ours.items()
        if known
    }
    trained = [
        finished[path]
        for repeat in range(study.repeats)
        for fold in range(study.folds)
        if (path := Job("repeat", method.name, repeat, fold).path) in finished
    ]
    trials = [result for path, result in finished.items() if path.startswith(f"{method.name}/trial-")]
    minutes = [result.minutes for result in [*trained, *trials] if not result.failed]
    return MethodRow(
        method.name,
        method.title,
        method.baseline,
        repeats={protocol: len(known) for protocol, known in ours.items()},
        cells=cells,
        differences=_differences(study, ours, per_repeat[method.baseline]) if method.baseline else {},
        values=best_values(study, method, finished),
        validation=max((score for _, score in tried_values(study, method, finished)), default=None),
        minutes=float(np.mean(minutes)) if minutes else None,
        parameters=next((result.parameters for result in trained if result.parameters), None),
        failed=[result.failed for result in trained if result.failed],
        trials_failed=sum(bool(result.failed) for result in trials),
        unfinished=sum(result.step is not None and result.step == result.steps for result in trained),
    )


def _differences(study: Study, ours: _Repeats, theirs: _Repeats) -> dict[str, Cells]:
    """Repeat by repeat: a repeat has the same seeds and folds for all methods."""
    found = {}
    for protocol in PROTOCOLS:
        both = sorted(ours[protocol].keys() & theirs[protocol].keys())
        if both:
            found[protocol] = {
                metric: difference_over_runs(
                    [ours[protocol][repeat][metric] for repeat in both],
                    [theirs[protocol][repeat][metric] for repeat in both],
                    _DIFFERENCE,
                )
                for metric in study.metrics
            }
    return found


def _plain(row: MethodRow) -> dict[str, Any]:
    def cells(known: Mapping[str, Cells]) -> dict[str, Any]:
        return {protocol: {key: each.to_dict() for key, each in found.items()} for protocol, found in known.items()}

    return {**vars(row), "cells": cells(row.cells), "differences": cells(row.differences)}
