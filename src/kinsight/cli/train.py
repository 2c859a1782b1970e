"""kinsight train"""

from __future__ import annotations

from collections.abc import Sequence

from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import given_options, settings_from, settings_parser
from kinsight.training import train


def run(arguments: Sequence[str]) -> None:
    """Train with a recipe and overrides into --out, or go on with the run that --out holds."""
    parser = settings_parser()
    parser.add_argument(
        "--recipe",
        type=str,
        default=None,
        help="a shipped recipe (`kinsight recipes`) or a YAML file; options override it",
    )
    parser.add_argument("--out", type=str, default=None, help="the run folder; a run found there goes on")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    given = given_options(parser, arguments)
    recipe, out, quiet = given.pop("recipe", None), given.pop("out", None), given.pop("quiet", False)
    if out is None:
        raise KinsightError("no run folder was given; add --out, for example --out runs/birds")
    layers = [*([recipe] if recipe else []), given]
    run = RunFolder(out)
    if run.exists and not recipe:
        layers = [run.settings(), *layers]
    train(settings_from(*layers), out, progress=not quiet)
