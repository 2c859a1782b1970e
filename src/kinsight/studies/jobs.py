"""What is to be done next, as a pure function of the study and of what is finished: so nothing is lost by a kill, anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe_table import nested
from kinsight.settings.training import TrainingSettings
from kinsight.studies.results import Result
from kinsight.studies.search import Values, proposed
from kinsight.studies.study import Method, Study
from kinsight.training.seeds import mixed

UNTRAINED = "untrained"
SEEDS = 10**9
"""Seeds are below: a person reads them, and a recipe holds no number of more than 18 digits."""
Finished = Mapping[str, Result]
"""Results by the paths of their jobs."""


@dataclass(frozen=True)
class Job:
    """One training, or one measuring.

    Attributes:
        kind: `trial` of the search, `repeat` with the best setting (trained and measured), `concatenated` (the models of a repeat's folds
            side by side, measured), `untrained` (the trunk as it starts, measured).
        number: of the trial or repeat.
        values: of the settings that are searched, by full name.
    """

    kind: str
    method: str = ""
    number: int = 0
    fold: int = 0
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its folder in `runs/`, which is also its name."""
        if self.kind == "untrained":
            return UNTRAINED
        if self.kind == "concatenated":
            return f"{self.method}/repeat-{self.number}/concatenated"
        return f"{self.method}/{self.kind}-{self.number}/fold-{self.fold}"


def next_jobs(study: Study, finished: Finished) -> list[Job]:
    """The jobs that can be begun now, in order; none where the study is finished."""
    untrained = Job(UNTRAINED)
    jobs = [] if untrained.path in finished else [untrained]
    for method in study.methods:
        jobs += _jobs_of(study, method, finished)
    return jobs


def count_jobs(study: Study) -> int:
    """How many jobs the whole study has."""
    searched = sum(study.trials * study.folds for method in study.methods if method.search)
    return 1 + searched + len(study.methods) * study.repeats * (study.folds + 1)


def best_values(study: Study, method: Method, finished: Finished) -> Values | None:
    """The values with the best mean validation MAP@R over the folds, the first of equal ones; None while the search goes on."""
    if not method.search or not study.trials:
        return proposed(method.search, [], seed=study.seed, name=method.name)  # the defaults
    tried = list(tried_values(study, method, finished))
    if len(tried) < study.trials:
        return None
    return dict(max(tried, key=lambda each: each[1])[0])


def tried_values(study: Study, method: Method, finished: Finished) -> Iterator[tuple[Values, float]]:
    """The values of each finished trial, in order, and its mean validation MAP@R over the folds."""
    for trial in range(study.trials if method.search else 0):
        results = [finished.get(Job("trial", method.name, trial, fold).path) for fold in range(study.folds)]
        known = [result for result in results if result is not None]
        if len(known) < study.folds:
            return
        yield known[0].values, float(np.mean([result.score for result in known]))


def settings_of(study: Study, job: Job, features: str) -> TrainingSettings:
    """All settings of a job's training. The repeats of all methods share their seeds, so that they can be compared pair by pair.

    Args:
        features: the folder that all trainings of the study share features of a standing trunk in, unless its settings name one.
    """
    folder = (study.settings.get("features") or {}).get("folder") or features
    repeat = 0 if job.kind == "trial" else job.number + 1
    own = {
        "data": {"fold": job.fold, "folds": study.folds},
        "seed": mixed(study.seed, repeat, job.fold) % SEEDS,
        "features": {"folder": folder},
    }
    method = study.method(job.method).settings if job.method else {}
    return settings_from(study.settings, method, nested(job.values), own)


def _jobs_of(study: Study, method: Method, finished: Finished) -> list[Job]:
    values = best_values(study, method, finished)
    if values is None:
        tried = list(tried_values(study, method, finished))
        values = proposed(method.search, tried, seed=study.seed, name=method.name)
        return _open(finished, [Job("trial", method.name, len(tried), fold, values) for fold in range(study.folds)])
    jobs = []
    for repeat in range(study.repeats):
        folds = [Job("repeat", method.name, repeat, fold, values) for fold in range(study.folds)]
        jobs += _open(finished, folds) or _open(finished, [Job("concatenated", method.name, repeat, values=values)])
    return jobs


def _open(finished: Finished, jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if job.path not in finished]
