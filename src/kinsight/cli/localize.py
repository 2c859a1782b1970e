"""kinsight localize"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.options import add_drawing, add_json, add_methods, add_page, add_subject, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "localize",
        "Weakly supervised localization: boxes drawn from maps against true boxes (and masks), for every map method.",
    )
    add_subject(parser)
    add_methods(parser)
    parser.add_argument(
        "--partners",
        default="best match",
        choices=("best match", "itself", "random same class"),
        help="what each picture is explained against (default: its best match in the split)",
    )
    parser.add_argument(
        "--thresholds",
        nargs="+",
        type=float,
        help="shares of the map's maximum at which it is cut (default: the paper's, 0.15 to 0.7; sparse maps want lower ones)",
    )
    parser.add_argument("--which", default="best", help="the best model of the run, or the last (default: best)")
    add_drawing(parser)
    parser.add_argument("--limit", type=int, help="at most so many pictures, drawn from the seed")
    add_page(parser, "pictures with true boxes, boxes of maps, and masks")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """How well maps find the object."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.localize import localize
    from kinsight.show import localization_table

    found = localize(**given(options, "json"))
    print(json.dumps(found.to_dict(), indent=2) if options.json else localization_table(found))
    if options.out and not options.json:
        print(f"\npage: {options.out}")
