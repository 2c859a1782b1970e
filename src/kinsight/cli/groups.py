"""kinsight groups"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.map_options import add_subject, subject_of


def run(arguments: Sequence[str]) -> None:
    """What the groups of a head do."""
    parser = argparse.ArgumentParser(
        prog="kinsight groups",
        description="The groups of a run on one page: where each looks, what it finds alone, how alike the groups are, and which "
        "annotated parts they fall on. All numbers also stand in a JSON file beside the page.",
    )
    add_subject(parser, stage=False)
    parser.add_argument("--out", default="groups.html", help="the page (default: groups.html)")
    parser.add_argument("--top", type=int, default=12, help="pictures of each group (default: 12)")
    parser.add_argument("--limit", type=int, help="at most so many pictures of the split, drawn from the seed")
    options = parser.parse_args(list(arguments))

    from kinsight.api import groups
    from kinsight.show import groups_table

    found = groups(
        options.run, out=options.out, top=options.top, limit=options.limit, progress=True, **subject_of(options)
    )
    print(groups_table(found))
    print(f"\npage: {options.out}")
