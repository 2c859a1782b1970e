"""kinsight data check | list | render | judged"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_columns, add_split_by, given, hyphened, verb_parser
from kinsight.errors import KinsightError


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "data", "Check a table, list known data sets, render a data set, join judged matches into classes."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser(
        "check", help="say what is wrong with a table: row, column, value, repair", allow_abbrev=False
    )
    check.add_argument("source", help="a table, folder or zip")
    add_split_by(check)
    add_columns(check)
    check.add_argument(
        "--pictures", action="store_true", help="also open every picture, and find those that are the same"
    )
    verbs.add_parser("list", help="the known data sets, where to get each, what is expected where")
    render = verbs.add_parser(
        "render",
        help="render a data set: birds with boxes, masks and parts, or towns with headings",
        allow_abbrev=False,
    )
    render.add_argument("folder", help="a new or empty folder")
    render.add_argument("--kind", choices=("birds", "towns"), default="birds", help="what is drawn (default: birds)")
    render.add_argument("--classes", type=int, help="species of birds (default: 32)")
    render.add_argument("--per-class", type=int, help="pictures of each (default: 24)")
    render.add_argument("--places", type=int, help="towns, from the street and from above (default: 2000)")
    render.add_argument("--size", type=int, default=96, help="pixels; of towns, from above (default: 96)")
    render.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    judged = verbs.add_parser(
        "judged",
        help="join the matches that people confirmed on the page into classes: a table for `kinsight train`",
        allow_abbrev=False,
    )
    judged.add_argument("judgements", help="the NAME.judgements.csv that `kinsight serve` keeps beside an index")
    judged.add_argument("--out", required=True, metavar="TABLE.csv", help="the table")
    judged.add_argument(
        "--parts",
        action="store_true",
        help="take also what was judged by a part of the query, as if it had been said of whole pictures",
    )
    judged.add_argument(
        "--on-contradiction",
        choices=("refuse", "skip"),
        default="refuse",
        help="what a rejected pair does that confirmed ones connect: be named, or its class left out (default: refuse)",
    )
    return parser


def run(arguments: Sequence[str]) -> None:
    """Check a table, list the known data sets, render a data set, or join judged matches."""
    options = parser().parse_args(hyphened(arguments))
    {"check": _check, "list": _list, "render": _render, "judged": _judged}[options.verb](options)


def _check(options: argparse.Namespace) -> None:
    from kinsight.api.data import check_data

    found = check_data(**given(options, "verb"))
    for problem in found.problems:
        print(f"{problem.severity}: {problem}")
    print(f"{options.source}: {found}")
    errors = found.count("error")
    if errors:
        raise KinsightError(
            f"{options.source} has {errors:,} error{'s' if errors > 1 else ''}; repair {'them' if errors > 1 else 'it'} and check again"
        )


def _list(options: argparse.Namespace) -> None:
    from kinsight.api.data import list_data

    for source in list_data():
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
    from kinsight.api.data import render_data, rendered_counts

    folder = render_data(**given(options, "verb"), progress=True)
    counts = rendered_counts(options.kind, classes=options.classes, per_class=options.per_class, places=options.places)
    if options.kind == "towns":
        print(f"{2 * counts['places']} rendered pictures of {counts['places']} towns in {folder}")
    else:
        print(f"{counts['classes'] * counts['per_class']} rendered pictures of {counts['classes']} species in {folder}")


def _judged(options: argparse.Namespace) -> None:
    from kinsight.api.judged import judged_data

    table = judged_data(**given(options, "verb"))
    print(f"{len(table):,} pictures of {table['label'].nunique():,} classes in {options.out}")
