"""Methods of a study by name: the shipped ones (YAML beside this file), and anybody's recipe or method file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.reading import MEGABYTE, read_text
from kinsight.settings.names import setting_types
from kinsight.settings.recipe import merge, read_recipe, recipe_names, recipe_text
from kinsight.settings.recipe_table import nested
from kinsight.settings.yaml_mapping import yaml_mapping
from kinsight.studies.study import Dimension, Method
from kinsight.typed import from_plain

LOSSES = "losses"
"""Stands for the thirteen losses of Tables 1 and 2 of the DRML supplement."""
DATA_OF_FOUND = ("cub", "cars", "sop", "cub256")
_OWN = ("objective", "method", "schedule")
_OWN_BATCHES = ("per_class", "balanced")
_REPAIR = "correct it there"


def method_names() -> list[str]:
    """The shipped methods, in the order of the published tables."""
    return list(_shipped())


def methods_named(names: Sequence[str]) -> list[Method]:
    """The methods of these names (`losses` stands for thirteen) or files.

    Raises:
        KinsightError: one is not known, damaged, or named twice.
    """
    wide = [each for name in names for each in (_losses() if name == LOSSES else [name])]
    found = [_method(name) for name in dict.fromkeys(wide)]
    called = [method.name for method in found]
    if not found:
        raise KinsightError(
            "no method was named; give --methods, for example margin,triplet, or losses for all thirteen"
        )
    if len(set(called)) < len(called):
        twice = next(name for name in called if called.count(name) > 1)
        raise KinsightError(f"two methods are called {twice}; rename one of the files")
    return found


def with_found_values(method: Method, data: str) -> Method:
    """The method with what the Reality Check found best on `data` (cub, cars, sop, cub256); where it did not look, with its defaults."""
    recipe = _raw().get(method.name, {}).get("found", "").format(data=data)
    settings = merge(method.settings, nested({key: each.default for key, each in method.search.items()}))
    if recipe in recipe_names():
        own = yaml_mapping(recipe_text(recipe))
        settings = merge(settings, {key: own[key] for key in ("objective", "optimizer") if key in own})
    return replace(method, settings=settings, search={})


@cache
def _raw() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(files(__name__).iterdir(), key=lambda each: (each.name != "losses.yaml", each.name)):
        if file.name.endswith(".yaml"):
            found |= yaml_mapping(file.read_text(encoding="utf-8"))
    return found


@cache
def _shipped() -> dict[str, Method]:
    return {name: _made(name, content, f"method {name}") for name, content in _raw().items()}


def _losses() -> list[str]:
    return [name for name, method in _shipped().items() if method.baseline is None]


def _method(name: str) -> Method:
    if name in _shipped():
        return _shipped()[name]
    if name in recipe_names():
        return Method(name.replace("/", "-"), name, _own(read_recipe(name)))
    if not Path(name).is_file():
        close = difflib.get_close_matches(name[:200], method_names(), n=2, cutoff=0.5)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        raise KinsightError(
            f"there is no method '{name[:200]}' and no such file; {meant}methods are {', '.join(method_names())}, {LOSSES}, a recipe, or a "
            "YAML file"
        )
    try:
        content = yaml_mapping(read_text(name, most=MEGABYTE // 4, otherwise="give a recipe file"))
    except ValueError as problem:
        raise KinsightError(f"{name} is not valid YAML ({problem}); {_REPAIR}") from None
    stem = Path(name).stem
    if set(content) & {"settings", "search", "baseline", "title"}:
        return _made(stem, content, name)
    return Method(stem, stem, _own(read_recipe(name)))


def _made(name: str, content: Mapping[str, Any], where: str) -> Method:
    """A method from what its YAML says."""
    known = {field.name for field in fields(Method)} | {"found"}
    if strange := set(content) - known:
        raise KinsightError(f"{where}: '{min(strange)}' is not known; write {', '.join(sorted(known - {'name'}))}")
    plain = {"title": name, **content, "name": name}
    plain.pop("found", None)
    method = from_plain(Method, plain, where, otherwise=_REPAIR)
    for setting, dimension in method.search.items():
        _check(f"{where}: search.{setting}", setting, dimension)
    return replace(method, settings=_own(method.settings))


def _check(where: str, setting: str, dimension: Dimension) -> None:
    known = setting_types()
    if not any(setting == each or setting.startswith(f"{each}.") for each in known):
        raise KinsightError(
            f"{where} is no setting; write a full name such as objective.loss.margin or optimizer.loss_lr"
        )
    low, high, default = dimension.low, dimension.high, dimension.default
    if not low < high or not low <= default <= high or (dimension.log and low <= 0):
        raise KinsightError(
            f"{where} goes from {low:g} to {high:g} and begins at {default:g}; write low < high, a default between them, and with "
            "log: true a low above 0"
        )


def _own(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a recipe is the method's; data, trunk and its rate, size, batch and steps are the study's, the same for all."""
    found = {key: settings[key] for key in _OWN if key in settings}
    if isinstance(optimizer := settings.get("optimizer"), Mapping) and set(optimizer) - {"trunk_lr"}:
        found["optimizer"] = {key: value for key, value in optimizer.items() if key != "trunk_lr"}
    if isinstance(model := settings.get("model"), Mapping) and "head" in model:
        found["model"] = {"head": model["head"]}
    if isinstance(batches := settings.get("batches"), Mapping) and set(batches) & set(_OWN_BATCHES):
        found["batches"] = {key: batches[key] for key in _OWN_BATCHES if key in batches}
    return found
