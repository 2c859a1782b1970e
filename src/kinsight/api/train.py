"""kinsight.train: a run from a recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinsight import training
from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
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
        layers: list[Any] = [str(recipe)] if recipe is not None else [run.settings()] if run.exists else []
        settings = settings_from(*layers, settings or {})
    return training.train(settings, out, progress=progress)
