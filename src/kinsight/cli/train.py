"""kinsight train"""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import ArgumentParser

from kinsight.api.train import train
from kinsight.cli.options import underscored
from kinsight.settings.parsing import given_options, settings_parser


def parser() -> ArgumentParser:
    """The options: every setting, and those of the verb."""
    parser = settings_parser()
    parser.add_argument(
        "--recipe",
        type=str,
        default=None,
        help="a shipped recipe (`kinsight recipes`) or a YAML file; options override it",
    )
    parser.add_argument("--out", type=str, default=None, help="the run folder; a run found there goes on")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def run(arguments: Sequence[str]) -> None:
    """Train with a recipe and overrides into --out, or go on with the run that --out holds."""
    given = given_options(parser(), underscored(arguments))
    recipe, out, quiet = given.pop("recipe", None), given.pop("out", None), given.pop("quiet", False)
    train(given, out, recipe=recipe, progress=not quiet)
