"""kinsight correspond"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.options import add_json, add_page, add_subject, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "correspond",
        "Point-to-point maps against annotated parts: how often the map of a part in one picture peaks on the same "
        "part in another picture of its class. Needs a parts.csv beside the table.",
    )
    add_subject(parser)
    parser.add_argument("--per-class", type=int, default=50, help="pairs drawn of each class (default: 50)")
    add_page(parser, "pairs of pictures with their parts and where the maps answered")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Whether a part is answered by the same part."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.correspond import correspond
    from kinsight.show import correspondence_table

    found = correspond(**given(options, "json"))
    print(json.dumps(found.to_dict(), indent=2) if options.json else correspondence_table(found))
    if options.out and not options.json:
        print(f"\npage: {options.out}")
