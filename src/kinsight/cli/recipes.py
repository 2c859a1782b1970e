"""kinsight recipes"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """List the shipped recipes, or print one."""
    parser = argparse.ArgumentParser(
        prog="kinsight recipes", description="List the recipes that ship with Kinsight, or print one."
    )
    parser.add_argument("name", nargs="?", help="print this recipe")
    options = parser.parse_args(list(arguments))

    from kinsight.settings.recipe import recipe_names, recipe_text, recipe_title

    if options.name:
        print(recipe_text(options.name), end="")
        return
    for name in recipe_names():
        print(f"{name:50}{recipe_title(name)}")
