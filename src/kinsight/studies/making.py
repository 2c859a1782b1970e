"""A study from what somebody said: data, names of methods, and settings of a training that all methods share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd

from kinsight.data import table_digest, with_validation
from kinsight.errors import KinsightError
from kinsight.models import HEADS
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe import merge, read_recipe
from kinsight.settings.training import TrainingSettings
from kinsight.settings.yaml_mapping import yaml_mapping
from kinsight.studies.measuring import check_metrics, study_table
from kinsight.studies.methods import DATA_OF_FOUND, methods_named, with_found_values
from kinsight.studies.study import METRICS, Dimension, Method, Study
from kinsight.training.choosing import choose
from kinsight.training.fitting import fitted, most_folds
from kinsight.training.start import with_absolute_paths

STEPS = 1000
"""Optimizer steps of a training where nobody says how many epochs; fewer where patience ends it."""
HEAD_RATE = {"optimizer.head_lr": Dimension(1e-4, 3e-3, 1e-3, log=True)}
"""Searched for every method where nobody says it: on validation classes one loss wants a tenth of another's rate."""
SEARCH, FOUND = "search", "found"
_KEPT_REASONS = ("trunk:", "input:", "input range:")
_MEASURED = ("r_precision", "map_at_r", "nmi", "ami", "f1", "map", "mrr")


@dataclass(frozen=True)
class MadeStudy:
    """A study, and sentences on what was chosen for it."""

    study: Study
    reasons: list[str]


def make_study(
    methods: Sequence[str],
    settings: Mapping[str, Any],
    *,
    recipe: str | None = None,
    folds: int = 4,
    trials: int = 10,
    repeats: int = 3,
    seed: int = 0,
    search: str = SEARCH,
    metrics: Sequence[str] = METRICS,
) -> MadeStudy:
    """The study.

    Args:
        methods: names or files (`methods_named`).
        settings: of a training, nested; they win over everything but what a method is about.
        recipe: that all methods share, below `settings`.
        search: `search`, or `found` (`found-cub`, `found-cars`, `found-sop`) for what the Reality Check found.

    Raises:
        KinsightError: something given cannot be used.
    """
    chosen = methods_named(methods)
    _check_counts(folds=(folds, 2), trials=(trials, 0), repeats=(repeats, 1), seed=(seed, 0))
    check_metrics(
        [name for name in metrics if not re.fullmatch(r"(recall|precision)_at_[1-9]\d{0,3}", name)], _MEASURED
    )
    if not metrics:
        raise KinsightError("no metric was named; leave --metrics out, or write for example --metrics map_at_r")
    given = merge(settings, {"data": {**(settings.get("data") or {}), "folds": folds, "fold": 0}})
    base, table, reasons = _base(given, recipe)
    if search != SEARCH:
        data = _data_of_found(search, base.data.path)
        chosen, trials = [with_found_values(method, data) for method in chosen], 0
        reasons.append(
            f"search: none; the values that the Reality Check found on {data}, defaults where it did not look"
        )
    elif trials:
        if "head_lr" not in (given.get("optimizer") or {}):
            chosen = [replace(method, search={**HEAD_RATE, **method.search}) for method in chosen]
        searched = sum(bool(method.search) for method in chosen)
        reasons.append(f"search: {trials} trials of {folds} trainings for each of {searched} methods")
    else:
        reasons.append("search: none; every method with its defaults")
    fitting = _fitted_methods(chosen, base, table)
    plain = json.loads(json.dumps(asdict(base)))
    return MadeStudy(Study(plain, fitting, table_digest(table), folds, trials, repeats, seed, tuple(metrics)), reasons)


def _check_counts(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise KinsightError(f"--{name} {value} is not allowed; write a whole number of {least} or more")


def _base(given: Mapping[str, Any], recipe: str | None) -> tuple[TrainingSettings, pd.DataFrame, list[str]]:
    """What all methods share, the checked table, and reasons."""
    shared = yaml_mapping(files(__package__).joinpath("base.yaml").read_text(encoding="utf-8"))
    layers = [shared, *([read_recipe(recipe)] if recipe else []), given]
    settings = with_absolute_paths(settings_from(*layers))
    if settings.model.streams:
        raise KinsightError(
            "a benchmark searches among pictures of one kind, and model.streams names views; train and evaluate each recipe instead"
        )
    if settings.data.split == "all":
        raise KinsightError("a study measures classes that nobody trained on; leave --data.split all out")
    table = study_table(settings.data)
    _check_classes(table, settings.data.folds)
    reasons = [_data_sentence(table, settings.data.folds)]
    if recipe is None:
        said = merge(shared, given)
        choice = choose(said, settings.data, table)
        settings = with_absolute_paths(settings_from({"model": choice.recipe["model"]}, *layers))
        reasons += [each for each in choice.reasons if each.startswith(_KEPT_REASONS)]
    own = layers[1:]
    if not any("epochs" in layer for layer in own):
        settings = replace(settings, epochs=_epochs(settings, table))
        reasons.append(f"steps: {settings.epochs} epochs, at least {STEPS} steps; patience ends a training before")
    settings, lowered = fitted(settings, table, {"data.folds"} | _names(own))
    still = settings.optimizer.trunk_lr == 0
    reasons.append(
        "trunk: it stands still, so that its features are computed once for all trainings (--optimizer.trunk_lr 1e-5 trains it)"
        if still
        else f"trunk: it trains at the rate {settings.optimizer.trunk_lr:g}"
    )
    return settings, table, reasons + lowered


def _check_classes(table: pd.DataFrame, folds: int) -> None:
    halves = "or give --data.split_by halves"
    if (table["split"] == "validation").any():
        raise KinsightError(
            f"the table brings its own validation rows, but a study holds out one fold of the training classes after the other; mark them "
            f"as train, {halves}"
        )
    if not (table["split"] == "test").any():
        raise KinsightError(f"the table has no test pictures; mark some classes as test, {halves}")
    classes = int(table.loc[table["split"] == "train", "label"].nunique())
    most = most_folds(classes)
    if most < 2:
        raise KinsightError(
            f"{classes} training classes do not give two folds of two; give data with at least 4 training classes"
        )
    if folds > most:
        raise KinsightError(
            f"{classes} training classes do not give {folds} folds of two or more; give at most --folds {most}"
        )


def _data_sentence(table: pd.DataFrame, folds: int) -> str:
    train, test = (table[table["split"] == split]["label"] for split in ("train", "test"))
    return (
        f"data: {len(train)} pictures of {train.nunique()} classes to train and to choose on, in {folds} folds; {len(test)} pictures of "
        f"{test.nunique()} other classes to measure on"
    )


def _epochs(settings: TrainingSettings, table: pd.DataFrame) -> int:
    pictures = int((with_validation(table, 0, settings.data.folds)["split"] == "train").sum())
    return min(200, max(3, ceil(STEPS / max(1, pictures // settings.batches.size))))


def _fitted_methods(methods: Sequence[Method], base: TrainingSettings, table: pd.DataFrame) -> tuple[Method, ...]:
    """The methods with the study's dimension and batches that the classes of a fold can fill, of equal size for all."""
    known = {method.name for method in methods}
    found = []
    for method in methods:
        settings = _with_dim(method.settings, base)
        made, _ = fitted(settings_from(asdict(base), settings), table, {"data.folds", "batches.size"})
        if "batches" in settings:
            settings = merge(settings, {"batches": {"per_class": made.batches.per_class}})
        found.append(replace(method, settings=settings, baseline=method.baseline if method.baseline in known else None))
    return tuple(found)


def _with_dim(settings: Mapping[str, Any], base: TrainingSettings) -> dict[str, Any]:
    """A method's own head gives as many numbers as the study's, and all methods are measured by the cosine."""
    head = (settings.get("model") or {}).get("head")
    dim = base.model.head.get("dim")
    if not isinstance(head, Mapping) or dim is None or head.get("name", "linear") not in HEADS:
        return dict(settings)
    return merge(settings, {"model": {"head": {**head, "dim": dim}}})


def _data_of_found(search: str, path: str) -> str:
    name = search.removeprefix(FOUND).lstrip("-:=")
    if not search.startswith(FOUND) or (name and name not in DATA_OF_FOUND):
        raise KinsightError(
            f"--search {search[:60]} is not known; write search, found, or found-cub, found-cars, found-sop, found-cub256"
        )
    if name:
        return name
    stem = Path(path).stem.lower()
    guessed = next((each for each in ("cub", "cars", "sop") if stem.startswith(each)), None)
    if guessed is None:
        raise KinsightError(
            f"the Reality Check has values for CUB, Cars and SOP, and {stem} does not say which; write found-cub, found-cars or found-sop"
        )
    return guessed


def _names(layers: Sequence[Mapping[str, Any]], prefix: str = "") -> set[str]:
    """Full names of all keys of nested mappings."""
    found = set()
    for layer in layers:
        for key, value in layer.items():
            found.add(f"{prefix}{key}")
            if isinstance(value, Mapping):
                found |= _names([value], f"{prefix}{key}.")
    return found
