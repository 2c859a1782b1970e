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

    if options.name:
        print(recipes(options.name), end="")
        return
    for name, title in recipes().items():
        print(f"{name:50}{title}")
