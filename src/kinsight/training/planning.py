"""From what somebody said to all settings of a training: a recipe or a choice, what the data fill of it, and where the run is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from kinsight import processes
from kinsight.data import table_digest
from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe import own_settings
from kinsight.settings.training import TrainingSettings
from kinsight.training.choosing import choose
from kinsight.training.fitting import fitted
from kinsight.training.start import with_absolute_paths
from kinsight.training.tables import prepare_table, sound_table

RUNS = Path("runs")


@dataclass(frozen=True)
class Plan:
    """A training that can begin.

    Attributes:
        settings: all of them.
        table: checked, its validation classes not held out yet.
        reasons: sentences on what was chosen and lowered.
    """

    settings: TrainingSettings
    table: pd.DataFrame
    reasons: list[str] = field(default_factory=list)


def plan(given: Mapping[str, Any], recipe: str | None = None) -> Plan:
    """Settings for what somebody said (nested, it always wins): from a recipe, or without one chosen for the data.

    Raises:
        KinsightError: a setting or the data cannot be used.
    """
    settings = with_absolute_paths(settings_from(*([recipe] if recipe else []), given))
    table = sound_table(settings.data)
    reasons: list[str] = []
    if recipe is None and settings.model.streams:
        raise KinsightError(
            "model.streams was given without a recipe, and what is chosen without one is for pictures of one kind; begin with --recipe "
            "cross-view"
        )
    if recipe is None:
        choice = choose(given, settings.data, table)
        settings, reasons = with_absolute_paths(settings_from(choice.recipe, given)), choice.reasons
    written = _names(given) | _names(own_settings(recipe) if recipe else {})
    settings, lowered = fitted(settings, table, written)
    return Plan(settings, table, reasons + lowered)


def made_up_folder(made: Plan) -> Path:
    """`runs/NAME` after the data, the first that is free or holds this very run, to go on with it; nothing is overwritten."""
    number = torch.zeros((), dtype=torch.int64)
    if processes.is_main():
        digest = table_digest(prepare_table(made.settings.data, made.table))
        number += next(each for each in count(1) if _is_free(_folder(made, each), made.settings, digest))
    return _folder(made, int(processes.broadcast(number)))


def _folder(made: Plan, number: int) -> Path:
    name = re.sub(r"[^\w.+-]+", "-", Path(made.settings.data.path).stem).strip("-.") or "run"
    return RUNS / (name if number == 1 else f"{name}-{number}")


def _is_free(folder: Path, settings: TrainingSettings, digest: str) -> bool:
    run = RunFolder(folder)
    try:
        run.check(settings)
        return not run.exists or run.read_protocol().data.digest in (None, digest)
    except KinsightError:
        return False


def _names(settings: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Full names of all keys of a nested mapping."""
    found = set()
    for key, value in settings.items():
        found.add(f"{prefix}{key}")
        if isinstance(value, Mapping):
            found |= _names(value, f"{prefix}{key}.")
    return found
