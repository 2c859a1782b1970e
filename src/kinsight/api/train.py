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
        out: the run folder; None makes one up from the name of the data.
        recipe: a shipped recipe by name (`kinsight.recipes()`) or a YAML file; None chooses settings that fit the data and this machine,
            and says why. What of a recipe or a choice the data cannot fill (batch, folds) is lowered; `settings` never are.
        progress: show a bar on a terminal.

    Raises:
        KinsightError: the settings, the data, or the run folder cannot be used; a loss became non-finite.
    """
    if out is not None and not str(out).strip():
        raise KinsightError("the run folder has no name; give --out one, for example --out runs/birds, or leave it out")
    if isinstance(settings, TrainingSettings):
        if recipe is not None:
            raise KinsightError(
                "all settings and a recipe were given; give kinsight.settings_from(recipe, changes) alone"
            )
        if out is None:
            raise KinsightError("no run folder was given; add out, for example out='runs/birds'")
        return training.train(settings, out, progress=progress)
    given = settings or {}
    if recipe is None and out is not None and (run := RunFolder(out)).exists:
        return training.train(settings_from(_stored(run, given), given), out, progress=progress)
    made = training.plan(given, None if recipe is None else str(recipe))
    reasons = made.reasons
    if out is None:
        out = training.made_up_folder(made)
        reasons = [*reasons, f"run folder: {out} (--out chooses another)"]
    return training.train(made.settings, out, progress=progress, table=made.table, reasons=reasons)


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
