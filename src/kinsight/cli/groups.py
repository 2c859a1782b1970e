"""kinsight groups"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_subject, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "groups",
        "The groups of a run on one page: where each looks, what it finds alone, how alike the groups are, which annotated parts they "
        "fall on, and whether they follow a picture that is moved. Several runs stand side by side on the same pictures. All numbers "
        "also stand in a JSON file beside the page.",
    )
    add_subject(parser, stage=False, several=True)
    parser.add_argument("--out", default="groups.html", help="the page (default: groups.html)")
    parser.add_argument("--top", type=int, default=12, help="pictures of each group (default: 12)")
    parser.add_argument("--shown", type=int, default=6, help="pictures shown with the maps of all groups (default: 6)")
    parser.add_argument("--limit", type=int, help="at most so many pictures of the split, drawn from the seed")
    parser.add_argument(
        "--parts",
        choices=("masks", "points"),
        help="what peaks are held against: the part that their pixel shows, or the nearest part point within 0.2 of the box "
        "(default: masks where the table has them)",
    )
    return parser


def run(arguments: Sequence[str]) -> None:
    """What the groups of a head do."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.groups import groups
    from kinsight.show import groups_beside_table, groups_table

    found = groups(*options.runs, **given(options, "runs"), progress=True)
    print(groups_beside_table(found) if isinstance(found, list) else groups_table(found))
    print(f"\npage: {options.out}")
