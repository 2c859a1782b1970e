"""One job of a study, done from its settings alone: in this process, in a worker, on another machine."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kinsight.errors import NotFiniteError
from kinsight.files import write_npz
from kinsight.models import load_embedder
from kinsight.processes import device
from kinsight.reading import read_npz
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings
from kinsight.studies.jobs import Job, settings_of
from kinsight.studies.measuring import measured, side_by_side, study_table, test_embeddings
from kinsight.studies.results import Result, write_result
from kinsight.studies.study import Study, StudyFolder
from kinsight.training import train
from kinsight.training.building import starting_point

EMBEDDINGS = "test.npz"


def perform(study: Study, folder: StudyFolder, job: Job) -> Result:
    """Do a job, write its result, and leave of its run what is needed later: recipe, log, embeddings of the test half.

    A training that a kill has cut off goes on. One whose numbers do not stay finite is a result too: it failed.

    Raises:
        KinsightError: the data or the folder cannot be used.
    """
    own = folder.runs / job.path
    with _quiet():
        if job.kind == "concatenated":
            result = _concatenated(study, folder, job)
        elif job.kind == "untrained":
            result = _untrained(study, folder, job)
        else:
            result = _trained(study, folder, job)
    write_result(own, result)
    return result


def _trained(study: Study, folder: StudyFolder, job: Job) -> Result:
    settings = settings_of(study, job, str(folder.features.resolve()))
    table = study_table(settings.data)
    own = folder.runs / job.path
    try:
        run = train(settings, own, progress=False, table=table)
    except NotFiniteError as problem:
        _forget(own)
        return Result(values=job.values, failed=str(problem))
    protocol = run.read_protocol()
    chosen = protocol.selection
    metrics: dict[str, float] = {}
    if job.kind == "repeat":
        model = load_embedder(run.trained_model(), device=device())
        encoded = test_embeddings(model, table, settings, run)
        metrics = measured(encoded.vectors, encoded.rows, table, study.metrics)
        write_npz(own / EMBEDDINGS, {"vectors": encoded.vectors, "rows": encoded.rows})
    _forget(own)
    return Result(
        value=chosen.value if chosen else None,
        step=chosen.step if chosen else None,
        steps=protocol.training.steps_done,
        values=job.values,
        metrics=metrics,
        minutes=protocol.training.minutes or 0.0,
        parameters=protocol.model.parameters,
    )


def _forget(run: Path) -> None:
    """Models and checkpoints are by far the largest part; the recipe that stays makes them again."""
    found = RunFolder(run)
    for each in (found.checkpoints, found.model, found.last_model):
        shutil.rmtree(each, ignore_errors=True)


def _concatenated(study: Study, folder: StudyFolder, job: Job) -> Result:
    started = time.monotonic()
    kept = folder.runs / job.method / f"repeat-{job.number}"
    files = [kept / f"fold-{fold}" / EMBEDDINGS for fold in range(study.folds)]
    if missing := [file.parent.name for file in files if not file.exists()]:
        return Result(values=job.values, failed=f"the training of {' and '.join(missing)} failed")
    found = [read_npz(file, otherwise="remove its folder, and its training is done anew") for file in files]
    rows = found[0]["rows"]
    settings = settings_of(study, job, str(folder.features.resolve()))
    vectors = side_by_side([each["vectors"] for each in found])
    metrics = measured(vectors, rows, study_table(settings.data), study.metrics)
    return Result(values=job.values, metrics=metrics, minutes=(time.monotonic() - started) / 60)


def _untrained(study: Study, folder: StudyFolder, job: Job) -> Result:
    started = time.monotonic()
    settings: TrainingSettings = settings_of(study, job, str(folder.features.resolve()))
    model = starting_point(settings).to(device())
    table = study_table(settings.data)
    encoded = test_embeddings(model, table, settings, RunFolder(folder.runs / job.path))
    write_npz(folder.runs / job.path / EMBEDDINGS, {"vectors": encoded.vectors, "rows": encoded.rows})
    return Result(
        metrics=measured(encoded.vectors, encoded.rows, table, study.metrics),
        minutes=(time.monotonic() - started) / 60,
        parameters=int(np.sum([each.numel() for each in model.parameters()])),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """A training tells its user what it does; a hundred of them tell nothing but warnings."""
    logger = logging.getLogger("kinsight")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)
