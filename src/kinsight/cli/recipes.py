"""kinsight recipes"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser("recipes", "List the recipes that ship with Kinsight, or print one.")
    parser.add_argument("name", nargs="?", help="print this recipe")
    return parser


def run(arguments: Sequence[str]) -> None:
    """List the shipped recipes, or print one."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.recipes import recipes
    from kinsight.settings.recipe import recipe_groups

    if options.name:
        print(recipes(options.name), end="")
        return
    titles = recipes()
    for group, names in recipe_groups().items():
        print(f"{group}:")
        for name in names:
            print(f"  {name:50}{titles[name]}")
        print()
    print("`kinsight recipes NAME` prints one; `kinsight train --recipe NAME ...` trains with it.")
