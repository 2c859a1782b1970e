"""kinsight faithfulness"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.options import add_json, add_methods, add_page, add_subject, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "faithfulness",
        "Deletion and insertion: how the similarity of a query and its best match moves while the query's pixels are "
        "blurred, most important first, for every map method and for random orders.",
    )
    add_subject(parser)
    add_methods(parser)
    parser.add_argument("--pairs", type=int, default=64, help="how many queries (default: 64)")
    parser.add_argument("--replacement", choices=("blurred", "grey"), default="blurred", help="(default: blurred)")
    parser.add_argument(
        "--sanity", action="store_true", help="also: do maps change when the trunk's weights are randomised?"
    )
    add_page(parser, "the curves, and maps of a few pairs")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Whether what maps call important is."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.faithfulness import faithfulness
    from kinsight.show import faithfulness_table, sanity_table

    found = faithfulness(**given(options, "json"))
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    print(faithfulness_table(found))
    if found.sanity:
        print(f"\nrank correlation with the original maps\n{sanity_table(found.sanity)}")
    if options.out and not options.json:
        print(f"\npage: {options.out}")
