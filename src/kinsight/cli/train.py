"""kinsight train"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsight.cli.options import underscored, verb_parser
from kinsight.errors import KinsightError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

# The few that a newcomer needs, in this order; `--help` shows them before all others.
FIRST = ("data.path", "model.trunk", "model.weights", "epochs", "batches.size", "optimizer.trunk_lr", "seed")
USAGE = "kinsight train DATA [--recipe RECIPE] [--out RUN] [--KEY VALUE ...]"


def add_own_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The options of the verb beside the settings."""
    parser.add_argument(
        "--recipe",
        help="a shipped recipe (`kinsight recipes`) or a YAML file, over which options win; without one, settings that fit the data",
    )
    parser.add_argument(
        "--out", help="the run folder; a run found there goes on (default: made up from the data's name)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def parser() -> ArgumentParser:
    """The options: every setting, and those of the verb."""
    from kinsight.settings.parsing import settings_parser

    made = settings_parser()
    made.add_argument("pictures", nargs="?")  # the table, folder or zip, as with --data
    add_own_options(made)
    return made


def help_text() -> str:
    """Every option and every setting with its meaning, the few that matter first."""
    from kinsight.settings.described import DescribedSetting, described_settings
    from kinsight.settings.names import SHORT

    parser = verb_parser("train", "Train an embedder, or go on with the run that --out holds.")
    parser.usage = USAGE
    parser.epilog = (
        "A recipe holds the same keys as nested YAML (`kinsight recipes demo`). Options of a head, a loss, a miner or a method follow its "
        "name: --model.head.dim 128, --objective.loss.margin 0.2."
    )
    shorter = {full: short for short, full in SHORT.items()}

    def add(group: argparse._ArgumentGroup, each: DescribedSetting) -> None:
        option = shorter.get(f"--{each.name}", f"--{each.name}")
        default = f" (default: {each.default})" if each.default else ""
        group.add_argument(option, metavar=each.value, help=f"{each.meaning}{default}".replace("%", "%%"))

    groups = described_settings()
    known = {each.name: each for group in groups for each in group.settings}
    first = parser.add_argument_group("to begin with")
    add(first, known[FIRST[0]])
    add_own_options(first)
    for name in FIRST[1:]:
        add(first, known[name])
    for described in groups:
        title = f"{described.name}: {described.meaning}" if described.name else described.meaning
        group = parser.add_argument_group(title[0].lower() + title[1:].rstrip("."))
        for each in described.settings:
            if each.name not in FIRST:
                add(group, each)
    return parser.format_help()


def run(arguments: Sequence[str]) -> None:
    """Train with a recipe and overrides into --out, or go on with the run that --out holds."""
    if {"-h", "--help"} & set(arguments):
        print(help_text(), end="")
        return
    from kinsight.settings.parsing import given_options

    given = given_options(parser(), underscored(arguments))
    pictures = given.pop("pictures", None)
    if pictures is not None:
        if given.get("data", {}).get("path"):
            raise KinsightError(f"{pictures} and --data were given; give the pictures once")
        given["data"] = {**given.get("data", {}), "path": pictures}
    recipe, out, quiet = given.pop("recipe", None), given.pop("out", None), given.pop("quiet", False)

    from kinsight.api.train import train

    train(given, out, recipe=recipe, progress=not quiet)
