"""A run with one of its evaluations, read for comparing it with others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.models import HEADS
from kinsight.objectives import complete_objective
from kinsight.runs.evaluations import EvaluationRecord, how_to_make
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import RunProtocol
from kinsight.settings.parsing import settings_from
from kinsight.settings.training import TrainingSettings, moves_numbers, tells_repeats

Cell = tuple[int, int | None]


@dataclass(frozen=True)
class EvaluatedRun:
    """A run folder with one evaluation.

    Attributes:
        path: the folder as it was given.
        settings: flat settings (`model.head.name`) with all defaults, those of its head and objective included, as far as they move
            numbers and do not tell repeats apart.
        written: which of them the recipe itself has; the others are defaults.
        seed, fold: its place among the runs of its setting; fold None: no class was held out for validation.
        protocol: its `protocol.json`, empty if it has none.
        evaluation: the record that is compared.
    """

    path: str
    settings: dict[str, Any]
    written: frozenset[str]
    seed: int
    fold: int | None
    protocol: RunProtocol
    evaluation: EvaluationRecord

    @property
    def name(self) -> str:
        """The name of its folder."""
        return os.path.basename(os.path.abspath(self.path))

    @property
    def folder(self) -> RunFolder:
        """Its folder."""
        return RunFolder(self.path)

    @property
    def cell(self) -> Cell:
        """What it is paired by."""
        return self.seed, self.fold

    @property
    def metrics(self) -> dict[str, float]:
        """Flat numbers, fractions not percent."""
        return self.evaluation.metrics

    @property
    def model(self) -> str:
        """What tells its model from others: the digest, or the folder where none was recorded."""
        return self.evaluation.protocol.model.digest or os.path.abspath(self.path)


def read_runs(paths: Sequence[str | Path], name: str = "test") -> list[EvaluatedRun]:
    """Every run folder among `paths` with its evaluation `name`; plain files are passed over, a folder given twice counts once.

    Raises:
        KinsightError: no folder was given, one holds no run, or one has no such evaluation.
    """
    folders: dict[str, str] = {}
    for path in paths:
        if not os.path.isfile(path):
            folders.setdefault(os.path.realpath(path), str(path))
    if not folders:
        raise KinsightError("no run folder was given; give one or more, for example runs/*")
    missing = [path for path in folders.values() if name not in RunFolder(path).require().evaluations.names()]
    if missing:
        raise KinsightError(_missing(missing, name))
    return [read_run(path, name) for path in folders.values()]


def read_run(path: str | Path, name: str) -> EvaluatedRun:
    """One run folder with its evaluation `name`.

    Raises:
        KinsightError: the recipe or the evaluation cannot be read.
    """
    folder = RunFolder(path).require()
    stored = folder.settings()
    try:
        settings = settings_from(stored)
    except KinsightError as problem:
        raise KinsightError(f"{folder.recipe}: {problem}") from None
    record = folder.evaluations.read(name)
    if not record.metrics or record.protocol == type(record.protocol)():
        raise KinsightError(
            f"{folder.evaluations.path(name)} holds no metrics with their protocol; {how_to_make(path, name)}"
        )
    values = {
        key: value
        for key, value in flat(asdict(_complete(settings))).items()
        if moves_numbers(key) and not tells_repeats(key)
    }
    if values.get("model.weights"):  # the same weights may lie elsewhere, as in protocol.json
        values["model.weights"] = os.path.basename(values["model.weights"])
    written = frozenset(flat(asdict(settings)))
    return EvaluatedRun(str(path), values, written, settings.seed, settings.data.fold, folder.read_protocol(), record)


def _complete(settings: TrainingSettings) -> TrainingSettings:
    """With the defaults of head and objective; as they are written where a class is not known on this machine."""
    with suppress(KinsightError):
        settings = replace(settings, model=replace(settings.model, head=HEADS.complete(settings.model.head)))
    with suppress(KinsightError):
        settings = replace(settings, objective=complete_objective(settings.objective))
    return settings


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots; what is null or empty is left out, so that it equals what is absent."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return found


def _missing(paths: Sequence[str], name: str) -> str:
    there = RunFolder(paths[0]).evaluations.names()
    others = f" (nor have {', '.join(paths[1:4])}{', ...' if len(paths) > 4 else ''})" if paths[1:] else ""
    has = f"; it has {', '.join(there)}" if there else ""
    return f"{paths[0]} has no evaluation '{name}'{others}{has}; {how_to_make(paths[0], name)}"
