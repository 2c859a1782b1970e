"""A run and one of its evaluations, read for comparing it with others."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.models import HEADS
from kinsight.reading import read_json
from kinsight.runs.folder import FREE, RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.settings.training import TrainingSettings

Cell = tuple[int, int | None]
# What tells the runs of one setting apart, and what moves no number.
APART = ("seed", "data.fold", "log_every", *FREE)


@dataclass(frozen=True)
class EvaluatedRun:
    """A run folder with one evaluation.

    Attributes:
        path: the folder as it was given.
        settings: flat settings (`model.head.name`) with all defaults, those of its head and objective included, without those of APART.
        written: which of them the recipe itself has; the others are defaults.
        seed, fold: its place among the runs of its setting; fold None: no class was held out for validation.
        protocol: its `protocol.json`, empty if it has none.
        evaluation: the content of `evaluation/NAME.json`.
    """

    path: str
    settings: dict[str, Any]
    written: frozenset[str]
    seed: int
    fold: int | None
    protocol: dict[str, Any]
    evaluation: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return os.path.basename(os.path.abspath(self.path))

    @property
    def cell(self) -> Cell:
        """What it is paired by."""
        return self.seed, self.fold

    @property
    def metrics(self) -> dict[str, float]:
        """Flat numbers, fractions not percent."""
        return dict(self.evaluation["metrics"])

    @property
    def measured(self) -> dict[str, Any]:
        """The protocol of the evaluation."""
        return dict(self.evaluation["protocol"])

    @property
    def model(self) -> str:
        """What tells its model from others: the digest, or the folder where none was recorded."""
        return str(at(self.measured, "model.digest") or os.path.abspath(self.path))

    @property
    def arrays(self) -> Path:
        """Where the values of each query lie, if they do."""
        return RunFolder(self.path).evaluation / f"{self.evaluation['name']}.npz"


def read_runs(paths: Sequence[str | Path], name: str = "test") -> list[EvaluatedRun]:
    """Every run folder among `paths` with its evaluation `name`; plain files are passed over, a folder given twice counts once.

    Raises:
        KinsightError: no folder was given, one holds no run, or one has no such evaluation.
    """
    folders: dict[str, str] = {}
    for path in paths:
        if not Path(path).is_file():
            folders.setdefault(os.path.realpath(path), str(path))
    if not folders:
        raise KinsightError("no run folder was given; give one or more, for example runs/*")
    missing = [path for path in folders.values() if not _file(path, name).is_file()]
    if missing:
        raise KinsightError(_missing(missing, name))
    return [read_run(path, name) for path in folders.values()]


def read_run(path: str | Path, name: str) -> EvaluatedRun:
    """One run folder with its evaluation `name`.

    Raises:
        KinsightError: the recipe or the evaluation cannot be read.
    """
    folder, file = RunFolder(path).require(), _file(path, name)
    stored = folder.settings()
    try:
        settings = settings_from(stored)
    except KinsightError as problem:
        raise KinsightError(f"{folder.recipe}: {problem}") from None
    evaluation = read_json(file)
    if not isinstance(evaluation, dict) or not all(
        isinstance(evaluation.get(part), dict) and evaluation[part] for part in ("metrics", "protocol")
    ):
        raise KinsightError(f"{file} holds no metrics with their protocol; {how_to_make(path, name)}")
    named = {**evaluation, "name": name, "split": evaluation.get("split"), "model": evaluation.get("model")}
    values = {key: value for key, value in flat(asdict(_complete(settings))).items() if key not in APART}
    if values.get("model.weights"):  # the same weights may lie elsewhere, as in protocol.json
        values["model.weights"] = os.path.basename(values["model.weights"])
    written = frozenset(flat(asdict(settings)))
    return EvaluatedRun(str(path), values, written, settings.seed, settings.data.fold, folder.read_protocol(), named)


def _complete(settings: TrainingSettings) -> TrainingSettings:
    """With the defaults of head and objective; as they are written where a class is not known on this machine."""
    with suppress(KinsightError):
        settings = replace(settings, model=replace(settings.model, head=HEADS.complete(settings.model.head)))
    with suppress(KinsightError):
        settings = replace(settings, objective=settings.objective.complete())
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


def at(nested: Mapping[str, Any], key: str) -> Any:
    """The value under a key with dots, or None."""
    value: Any = nested
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def how_to_make(path: str | Path, name: str, more: str = "") -> str:
    """How an evaluation of that name is made: the end of a sentence, with `more` options in its command."""
    options = {
        "test": "",
        "test-untrained": " --untrained",
        "test-last": " --which last",
        "validation": " --split validation",
        "train": " --split train",
        "all": " --split all",
    }
    if re.search(r"-group-\d+$", name):
        return f"make it with `kinsight evaluate {path} --groups{more}`, and leave out runs whose head has no groups"
    if name not in options:
        return "choose another --name, or make it with `kinsight evaluate` and its options --data, --split, --which"
    return f"make it with `kinsight evaluate {path}{options[name]}{more}`"


def _file(path: str | Path, name: str) -> Path:
    return RunFolder(path).require().evaluation / f"{name}.json"


def _missing(paths: Sequence[str], name: str) -> str:
    there = sorted(file.stem for file in RunFolder(paths[0]).evaluation.glob("*.json"))
    others = f" (nor have {', '.join(paths[1:4])}{', ...' if len(paths) > 4 else ''})" if paths[1:] else ""
    has = f"; it has {', '.join(there)}" if there else ""
    return f"{paths[0]} has no evaluation '{name}'{others}{has}; {how_to_make(paths[0], name)}"
