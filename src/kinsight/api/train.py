"""kinsight.train: a run from a recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinsight import training
from kinsight.errors import KinsightError
from kinsight.models import is_own_trunk
from kinsight.registry import class_paths, running_own_code
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe import merge
from kinsight.settings.training import TrainingSettings


def train(
    settings: TrainingSettings | Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    *,
    recipe: str | Path | None = None,
    progress: bool = True,
) -> RunFolder:
    """Train an embedder into a run folder, or go on with the run that the folder holds.

    `kinsight.train({"data": {"path": "birds.csv"}, "epochs": 5}, "runs/birds", recipe="demo")`; killed and called again, or
    called as `kinsight.train(out="runs/birds")`, the run goes on to the same numbers.

    Args:
        settings: nested as in a recipe, over which they win; or all settings, from `kinsight.settings_from`.
        out: the run folder.
        recipe: a shipped recipe by name (`kinsight.recipes()`) or a YAML file.
        progress: show a bar on a terminal.

    Raises:
        KinsightError: the settings, the data, or the run folder cannot be used; a loss became non-finite.
    """
    if out is None or not str(out).strip():
        raise KinsightError("no run folder was given; add --out, for example --out runs/birds")
    run = RunFolder(out)
    if recipe is not None and isinstance(settings, TrainingSettings):
        raise KinsightError("all settings and a recipe were given; give kinsight.settings_from(recipe, changes) alone")
    if not isinstance(settings, TrainingSettings):
        layers: list[Any] = (
            [str(recipe)] if recipe is not None else [_stored(run, settings or {})] if run.exists else []
        )
        settings = settings_from(*layers, settings or {})
    return training.train(settings, out, progress=progress)


def _stored(run: RunFolder, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run to go on with; training imports what they name, so the caller must have named it or own it."""
    stored = run.settings()
    strange = _named_code(merge(stored, given)) - _named_code(given)
    if strange and not running_own_code():
        raise KinsightError(
            f"{run.recipe} names {' and '.join(sorted(strange))}, and code that a folder names is not run unasked; if it is your own code, "
            "go on with --own-code (in Python inside `with kinsight.own_code():`), or name it again"
        )
    return stored


def _named_code(settings: Mapping[str, Any]) -> set[str]:
    model = settings.get("model")
    trunk = model.get("trunk") if isinstance(model, Mapping) else None
    return class_paths(settings) | ({str(trunk)} if is_own_trunk(trunk) else set())
