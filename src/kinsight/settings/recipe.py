"""Recipes: YAML files that give defaults, merged with what the command line overrides.

Merging is plain except for one rule: a mapping with a `name` (a head, a loss, a miner) is a choice, and choosing another name drops
the options of the old one. The optimizer and the schedule have a name too, but their options do not depend on it.
A recipe that says `extends: NAME` is merged onto that shipped recipe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kinsight.errors import KinsightError

FOLDER = Path(__file__).parent / "recipes"
SECTIONS = ("optimizer", "schedule")


def recipe_names() -> list[str]:
    """The recipes that ship with Kinsight, those in folders as `folder/name`."""
    return sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in FOLDER.rglob("*.yaml"))


def recipe_title(name: str) -> str:
    """The first comment line of a shipped recipe: what it is."""
    return recipe_text(name).splitlines()[0].lstrip("# ").strip()


def recipe_text(name: str) -> str:
    """A shipped recipe as it stands in its file.

    Raises:
        KinsightError: there is none of that name.
    """
    if name not in recipe_names():
        raise KinsightError(f"there is no recipe '{name}'; the recipes are: {', '.join(recipe_names())}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def read_recipe(name_or_file: str) -> dict[str, Any]:
    """A shipped recipe by name, or any YAML file.

    Raises:
        KinsightError: there is no such recipe, or the file is not a YAML mapping.
    """
    if name_or_file in recipe_names():
        return _parse(recipe_text(name_or_file), name_or_file)
    file = Path(name_or_file)
    if not file.is_file():
        names = ", ".join(recipe_names())
        raise KinsightError(f"there is no recipe '{name_or_file}'; give a YAML file or one of: {names}")
    return _parse(file.read_text(encoding="utf-8"), name_or_file)


def merge(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested merge; `overrides` win; a new `name` drops the options that belonged to the old one."""
    merged = dict(defaults)
    for key, value in overrides.items():
        old = merged.get(key)
        if not (isinstance(value, Mapping) and isinstance(old, Mapping)):
            merged[key] = value
        elif key not in SECTIONS and value.get("name", old.get("name")) != old.get("name"):
            merged[key] = dict(value)
        else:
            merged[key] = merge(old, value)
    return merged


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where two nested settings differ, as `key: old -> new`."""
    found = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append(f"{prefix}{key}: {before} -> {after}")
    return found


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads `1e-4` as the number it is meant to be (PyYAML follows YAML 1.1, where it is a string)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as problem:
        place = " ".join(str(problem).split())
        raise KinsightError(f"recipe '{name}' is not valid YAML ({place}); correct it there") from None
    if not isinstance(content, dict):
        raise KinsightError(
            f"recipe '{name}' must be a mapping of settings such as `epochs: 20`, not a {type(content).__name__}"
        )
    base = content.pop("extends", None)
    return content if base is None else merge(_parse(recipe_text(str(base)), str(base)), content)
