"""Recipes: YAML files that give defaults, merged with what the command line overrides.

Merging is plain except for one rule: a mapping with a `name` (a head, a loss, a miner) is a choice, and choosing another name drops
the options of the old one. The optimizer and the schedule have a name too, but their options do not depend on it.
A recipe that says `extends: NAME` is merged onto that shipped recipe.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.reading import MEGABYTE, read_text
from kinsight.settings.recipe_table import table_recipes
from kinsight.settings.yaml_mapping import yaml_mapping

FOLDER = Path(__file__).parent / "recipes"
FIRST = ("demo", "photos-mobilenetv2")
TABLE = ".table"
SECTIONS = ("optimizer", "schedule")
MOST_BYTES = MEGABYTE // 4


def recipe_names() -> list[str]:
    """The recipes that ship with Kinsight, those in folders and tables as `folder/name`."""
    return sorted(_shipped())


def recipe_groups() -> dict[str, list[str]]:
    """The names of the recipes by what they are for: the first ones to try, for photographs, and for the tables of papers."""
    names = recipe_names()
    own = [name for name in names if "/" not in name and name not in FIRST]
    return {
        "start here": list(FIRST),
        "photographs": own,
        "paper tables": [name for name in names if "/" in name],
    }


def recipe_title(name: str) -> str:
    """The first comment line of a shipped recipe: what it is."""
    return recipe_text(name).splitlines()[0].lstrip("# ").strip()


def recipe_text(name: str) -> str:
    """A shipped recipe as YAML.

    Raises:
        KinsightError: there is none of that name.
    """
    if name not in _shipped():
        raise KinsightError(f"there is no recipe '{name[:200]}'; {_like(name)}")
    return _shipped()[name]


@cache
def _shipped() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in FOLDER.rglob("*.yaml"):
        name, text = file.relative_to(FOLDER).as_posix().removesuffix(".yaml"), file.read_text(encoding="utf-8")
        if name.endswith(TABLE):
            folder = name.removesuffix(TABLE)
            found |= {f"{folder}/{each}": recipe for each, recipe in table_recipes(text).items()}
        else:
            found[name] = text
    return found


def read_recipe(name_or_file: str) -> dict[str, Any]:
    """A shipped recipe by name, or any YAML file.

    Raises:
        KinsightError: there is no such recipe, or the file is not a YAML mapping.
    """
    if name_or_file in _shipped():
        return _parse(recipe_text(name_or_file), name_or_file)
    if not os.path.lexists(name_or_file):
        raise KinsightError(f"there is no recipe '{name_or_file[:200]}' and no such YAML file; {_like(name_or_file)}")
    return _parse(read_text(name_or_file, most=MOST_BYTES, otherwise="give a recipe file"), name_or_file)


def own_settings(name_or_file: str) -> dict[str, Any]:
    """What somebody's own recipe file says itself, without what it extends; nothing for a shipped recipe.

    Raises:
        KinsightError: the file is not a YAML mapping.
    """
    if name_or_file in _shipped():
        return {}
    content = yaml_mapping(read_text(name_or_file, most=MOST_BYTES, otherwise="give a recipe file"))
    return {key: value for key, value in content.items() if key != "extends"}


def _like(name: str) -> str:
    close = difflib.get_close_matches(name[:200], recipe_names(), n=3, cutoff=0.5)
    return (f"did you mean {' or '.join(close)}? " if close else "") + "`kinsight recipes` lists all"


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


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        content = yaml_mapping(text)
    except ValueError as problem:
        raise KinsightError(f"recipe '{name}' is not valid YAML ({problem}); correct it there") from None
    base = content.pop("extends", None)
    return content if base is None else merge(_parse(recipe_text(str(base)), str(base)), content)
