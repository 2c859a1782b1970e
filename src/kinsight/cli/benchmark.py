"""kinsight benchmark"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kinsight.cli.options import underscored, verb_parser

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

OWN = ("methods", "out", "folds", "trials", "repeats", "search", "metrics", "recipe", "published", "jobs", "engine")


def add_own_options(parser: Any) -> None:
    """The options of the verb beside the settings of a training."""
    parser.add_argument(
        "--methods",
        help="names, recipes or YAML files with commas between them; `losses` stands for all thirteen losses",
    )
    parser.add_argument("--out", help="the study's folder; a study found there goes on")
    parser.add_argument("--folds", type=int, help="class folds of the training classes (default: 4)")
    parser.add_argument(
        "--trials", type=int, help="of the search, for each method; each is one training a fold (default: 10)"
    )
    parser.add_argument("--repeats", type=int, help="trainings with the best setting, each over all folds (default: 3)")
    parser.add_argument(
        "--search", help="search (default), or found, found-cub, found-cars, found-sop: published values instead"
    )
    parser.add_argument(
        "--metrics", help="with commas (default: precision_at_1,r_precision,map_at_r; also recall_at_2, nmi, ...)"
    )
    parser.add_argument("--recipe", help="a recipe that all methods share")
    parser.add_argument(
        "--published",
        help="drml-cub, drml-cars or CSV files: numbers that papers print, shown apart from what was measured",
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings beside each other (default: 1)")
    parser.add_argument("--engine", default="local", help="local (default), or ray: over the machines of a Ray cluster")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def parser() -> ArgumentParser:
    """The options: every setting of a training, and those of the verb."""
    from kinsight.settings.parsing import settings_parser

    made = settings_parser("kinsight benchmark")
    add_own_options(made)
    return made


def help_text() -> str:
    """The options, and where those of a training are listed."""
    shown = verb_parser(
        "benchmark",
        "Methods under one honest protocol: class folds, a search with equal budgets, repeats, intervals, paired differences. Goes on "
        "where it was stopped.",
    )
    shown.usage = "kinsight benchmark --data DATA --methods A,B,... --out FOLDER [--KEY VALUE ...]"
    shown.add_argument("--data", help="a table, folder or zip of pictures, as in `kinsight train`")
    add_own_options(shown)
    shown.add_argument("--seed", type=int, help="of everything (default: 0)")
    shown.epilog = (
        "Every setting of `kinsight train --help` may follow and holds for all methods: --model.weights FILE, --model.head.dim 128, "
        "--epochs 10, --optimizer.trunk_lr 1e-5 (default 0: the trunk stands still, and its features are computed once)."
    )
    return shown.format_help()


def run(arguments: Sequence[str]) -> None:
    """Run a study, or go on with the one that --out holds."""
    if {"-h", "--help"} & set(arguments):
        print(help_text(), end="")
        return
    from kinsight.errors import KinsightError
    from kinsight.settings.parsing import given_options

    settings = given_options(parser(), underscored(arguments))
    own = {name: settings.pop(name) for name in OWN if settings.get(name) is not None}
    as_json, quiet = settings.pop("json", False), settings.pop("quiet", False)
    seed = settings.pop("seed", None)
    if "out" not in own:
        raise KinsightError("no folder was given; add --out, for example --out bench/birds")

    from kinsight.api.benchmark import benchmark, listed
    from kinsight.show.study.table import study_text
    from kinsight.studies.published import read_published

    found = benchmark(settings=settings, seed=seed, progress=not quiet, **own)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print(study_text(found, [read_published(each) for each in listed(own.get("published", ""))]))
        print(f"\nwritten: {own['out']}/report.html, results.md, results.csv, results.tex")
