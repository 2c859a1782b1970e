"""kinsight.benchmark: methods under one protocol, from the search of their settings to tables with intervals."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinsight.api.numbers import require_whole
from kinsight.api.train import named_code
from kinsight.data import table_digest
from kinsight.errors import KinsightError, Stopped
from kinsight.registry import own_code, running_own_code
from kinsight.settings.parsing import settings_from
from kinsight.show.study.progress import StudyProgress
from kinsight.studies.engines import Engine, InThisProcess, Workers
from kinsight.studies.making import SEARCH, make_study
from kinsight.studies.measuring import study_table
from kinsight.studies.published import PublishedTable, read_published
from kinsight.studies.running import alone, run_study, state_of
from kinsight.studies.study import METRICS, Study, StudyFolder, plain
from kinsight.studies.tables import StudyTable

logger = logging.getLogger("kinsight")
LOCAL, RAY = "local", "ray"


def benchmark(
    data: str | Path | None = None,
    methods: Sequence[str] | str | None = None,
    *,
    out: str | Path,
    folds: int | None = None,
    trials: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    search: str | None = None,
    metrics: Sequence[str] | str | None = None,
    settings: Mapping[str, Any] | None = None,
    recipe: str | Path | None = None,
    published: Sequence[str | Path] | str = (),
    jobs: int = 1,
    engine: str = LOCAL,
    progress: bool = True,
) -> StudyTable:
    """Put methods through one protocol, or go on with the study that `out` holds: `kinsight.benchmark(out="bench/birds")`.

    Of the training classes one contiguous fold after the other validates. Each method's settings are searched with the same number of
    trials, by the mean of the best validation MAP@R over the folds; the best setting is trained `repeats` times on every fold and measured
    on the test classes: the models of the folds one by one (separated), and side by side (concatenated).
    Source: Musgrave et al., "A Metric Learning Reality Check", ECCV 2020.

    Args:
        data: whatever `kinsight.train` takes.
        methods: names (`losses` stands for thirteen), recipes or YAML files; a text is cut at commas.
        out: the study's folder; killed and called again, the study goes on to the same numbers.
        folds: class folds (4).
        trials: of the search, for each method (10); each is `folds` trainings.
        repeats: trainings with the best setting, each over all folds (3).
        seed: of everything (0).
        search: `search`, or `found`, `found-cub`, `found-cars`, `found-sop`: what the Reality Check found instead.
        metrics: what is measured on the test classes (P@1, R-precision, MAP@R).
        settings: of a training, nested, the same for all methods, over the study's own.
        recipe: a recipe that all methods share, below `settings`.
        published: tables that papers print, shown apart from what was measured: drml-cub, drml-cars, or CSV files.
        jobs: trainings beside each other.
        engine: who does them: local, worker processes of this machine; ray, the machines of a cluster (`pip install 'kinsight[ray]'`).
        progress: show a bar on a terminal.

    Raises:
        KinsightError: something given cannot be used, or the folder holds another study.
        Stopped: by Ctrl-C; it says what is stored.
    """
    require_whole(1, 256, jobs=jobs)
    if engine not in (LOCAL, RAY):
        raise KinsightError(f"engine {engine!r} is not known; write {LOCAL} or {RAY}")
    beside = [read_published(each) for each in listed(published)]
    folder = StudyFolder(out)
    folds = (settings or {}).get("data", {}).get("folds") if folds is None else folds
    counts: dict[str, Any] = {"folds": folds, "trials": trials, "repeats": repeats, "seed": seed}
    said = {name: value for name, value in counts.items() if value is not None}
    if data is None and not (settings or {}).get("data", {}).get("path") and methods is None:
        study = _stored(folder, said)
    else:
        given = dict(settings or {})
        if data is not None:
            given["data"] = {**given.get("data", {}), "path": str(data)}
        made = make_study(
            listed(methods or ()), given, recipe=None if recipe is None else str(recipe),
            search=search or SEARCH, metrics=METRICS if metrics is None else tuple(listed(metrics)), **said,
        )  # fmt: skip
        study = made.study
        for sentence in made.reasons:
            logger.info(sentence)
    folder.claim(study)
    with alone(folder), own_code():
        return _run(study, folder, beside, (engine, jobs), progress)


def _stored(folder: StudyFolder, said: Mapping[str, Any]) -> Study:
    """The study to go on with, with more repeats where somebody says so."""
    study = folder.read()
    if (strange := named_code(plain(study)["settings"]) | _code_of_methods(study)) and not running_own_code():
        raise KinsightError(
            f"{folder.study} names {' and '.join(sorted(strange))}, and code that a folder names is not run unasked; if it is your own "
            "code, go on with --own-code (in Python inside `with kinsight.own_code():`)"
        )
    if table_digest(study_table(settings_from(study.settings).data)) != study.data:
        raise KinsightError(
            f"{study.settings['data']['path']} has changed since {folder.path} was started (other pictures, labels or splits); restore it, "
            "or choose another --out"
        )
    return replace(study, **said)


def _code_of_methods(study: Study) -> set[str]:
    return {code for method in study.methods for code in named_code(method.settings)}


def _engine(study: Study, folder: StudyFolder, name: str, count: int) -> Engine:
    if name == RAY and count:
        from kinsight.studies.cluster import RayWorkers

        return RayWorkers(folder, count)
    return InThisProcess(study, folder) if count <= 1 else Workers(folder, count)


def listed(names: Sequence[str | Path] | str) -> list[str]:
    """Names, or a text with commas between them."""
    parts = names.split(",") if isinstance(names, str) else map(str, names)
    return [each.strip() for each in parts if each.strip()]


def _run(
    study: Study, folder: StudyFolder, published: Sequence[PublishedTable], engine: tuple[str, int], progress: bool
) -> StudyTable:
    state = state_of(study, folder)
    shown = StudyProgress(study, folder.path, state, published=published, shown=progress)
    missing = state.total - state.done
    if missing:
        logger.info("%d of %d jobs are to be done in %s", missing, state.total, folder.path)
    workers = _engine(study, folder, engine[0], min(engine[1], missing))
    try:
        run_study(study, folder, workers, shown)
    except KeyboardInterrupt:
        done = shown.state.done
        raise Stopped(
            f"{done} of {state.total} jobs are stored; `kinsight benchmark --out {folder.path}` goes on from there"
        ) from None
    finally:
        workers.close()
        found = shown.close()
    return found
