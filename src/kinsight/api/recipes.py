"""kinsight.recipes: the recipes that ship with Kinsight."""

from __future__ import annotations

from typing import overload

from kinsight.settings.recipe import recipe_names, recipe_text, recipe_title


@overload
def recipes(name: None = None) -> dict[str, str]: ...


@overload
def recipes(name: str) -> str: ...


def recipes(name: str | None = None) -> dict[str, str] | str:
    """Every shipped recipe by name with its title; or with a name the YAML text of one.

    Raises:
        KinsightError: there is none of that name.
    """
    return {known: recipe_title(known) for known in recipe_names()} if name is None else recipe_text(name)
