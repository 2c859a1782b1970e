"""kinsight.train: a run from a recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinsight import training
from kinsight.errors import KinsightError
from kinsight.models import is_own_trunk, model_folder, settings_of_model
from kinsight.registry import class_paths, running_own_code
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe import merge
from kinsight.settings.training import TrainingSettings

# Of a trained model that a training starts from: what its weights need, and what else it is.
_NETWORK = ("trunk", "trunk_options", "mean", "std", "bgr", "scale")
_REST = ("head", "size", "resize", "normalize")


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
    given = _with_model(given, whole=recipe is None)
    made = training.plan(given, None if recipe is None else str(recipe))
    reasons = made.reasons
    if out is None:
        out = training.made_up_folder(made)
        reasons = [*reasons, f"run folder: {out} (--out chooses another)"]
    return training.train(made.settings, out, progress=progress, table=made.table, reasons=reasons)


def _with_model(given: Mapping[str, Any], *, whole: bool) -> Mapping[str, Any]:
    """Where the weights are a trained model: its network and what that was fed with, if `whole` also its head and size."""
    model = given.get("model")
    folder = model_folder(model.get("weights")) if isinstance(model, Mapping) else None
    if folder is None:
        return given
    known = settings_of_model(folder)
    taken = {name: known[name] for name in (*_NETWORK, *(_REST if whole else ())) if name in known}
    settings = merge({"model": taken}, given)
    _require_own(settings, given, f"{folder}/config.json", "start from it")
    return settings


def _stored(run: RunFolder, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run to go on with; training imports what they name, so the caller must have named it or own it."""
    stored = run.settings()
    _require_own(merge(stored, given), given, str(run.recipe), "go on")
    return stored


def _require_own(settings: Mapping[str, Any], given: Mapping[str, Any], file: str, what: str) -> None:
    strange = named_code(settings) - named_code(given)
    if strange and not running_own_code():
        raise KinsightError(
            f"{file} names {' and '.join(sorted(strange))}, and code that a folder names is not run unasked; if it is your own code, "
            f"{what} with --own-code (in Python inside `with kinsight.own_code():`), or name it again"
        )


def named_code(settings: Mapping[str, Any]) -> set[str]:
    model = settings.get("model")
    model = model if isinstance(model, Mapping) else {}
    streams = model.get("streams")
    parts = [model, *(streams.values() if isinstance(streams, Mapping) else ())]
    trunks = [part.get("trunk") for part in parts if isinstance(part, Mapping)]
    return class_paths(settings) | {str(trunk) for trunk in trunks if is_own_trunk(trunk)}
