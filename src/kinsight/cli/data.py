"""kinsight data check | list | render"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.errors import KinsightError


def run(arguments: Sequence[str]) -> None:
    """Check a table, list the known data sets, or render a data set."""
    parser = argparse.ArgumentParser(
        prog="kinsight data", description="Check a table, list known data sets, render a data set."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="say what is wrong with a table: row, column, value, repair")
    check.add_argument("source", help="a table, folder or zip")
    check.add_argument("--split_by", "--data.split_by", dest="split_by", help="which column is the split, or halves")
    check.add_argument("--pictures", action="store_true", help="also open every picture")
    verbs.add_parser("list", help="the known data sets, where to get each, what is expected where")
    render = verbs.add_parser("render", help="render a data set of species with known boxes, masks and parts")
    render.add_argument("folder")
    render.add_argument("--classes", type=int, default=32)
    render.add_argument("--per_class", type=int, default=24)
    render.add_argument("--size", type=int, default=96, help="pixels")
    render.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(list(arguments))
    {"check": _check, "list": _list, "render": _render}[options.verb](options)


def _check(options: argparse.Namespace) -> None:
    from kinsight.data import check_table, describe, read_table

    table = read_table(options.source, split_by=options.split_by)
    problems = check_table(table, pictures=options.pictures)
    for problem in problems:
        print(f"{problem.severity}: {problem}")
    errors = sum(problem.severity == "error" for problem in problems)
    print(json.dumps(describe(table), indent=2))
    if errors:
        raise KinsightError(
            f"{options.source} has {errors} error{'s' if errors > 1 else ''}; repair {'them' if errors > 1 else 'it'} and check again"
        )
    print(f"{options.source}: {len(table)} pictures, no errors")


def _list(options: argparse.Namespace) -> None:
    from kinsight.data import describe_sources

    for source in describe_sources():
        print(f"{source['name']}: {source['title']}")
        for key, value in source.items():
            if key not in ("name", "title") and value:
                text = _lines(value).rstrip().replace("\n", "\n      ")
                print(f"    {key}: {text}")
        print()
    print("Kinsight downloads none of them: put a data set into a folder and give that folder as --data.")


def _lines(value: object) -> str:
    return "\n".join(f"{key}: {text}" for key, text in value.items()) if isinstance(value, dict) else str(value)


def _render(options: argparse.Namespace) -> None:
    from kinsight.data import write_scenes

    folder = write_scenes(
        options.folder,
        classes=options.classes,
        per_class=options.per_class,
        size=options.size,
        seed=options.seed,
        progress=True,
    )
    print(f"{options.classes * options.per_class} rendered pictures of {options.classes} species in {folder}")
