"""kinsight orient"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsight.cli.options import add_json, add_page, add_subject, given, hyphened, verb_parser

if TYPE_CHECKING:
    from kinsight.api.orient import Oriented


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "orient",
        "Which way the camera of a panorama looked, read off its point-to-point maps on an aerial picture: over the pairs of a table with "
        "known headings, or for one panorama and one aerial picture.",
    )
    add_subject(parser)
    parser.add_argument("street", nargs="?", help="a panorama, instead of a table")
    parser.add_argument("aerial", nargs="?", help="and the aerial picture about it")
    parser.add_argument("--limit", type=int, help="at most so many pairs, drawn from the seed")
    parser.add_argument(
        "--turn",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="turn the aerial pictures of a table at random, so that a model that knows how they usually lie cannot answer from habit",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="look at every pair once, instead of 24 times, turned and mirrored: faster, and less exact",
    )
    parser.add_argument("--which", default="best", help="the best model of the run, or the last (default: best)")
    add_page(parser, "errors as circular histograms, and examples with the rays of the answer and of the truth")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Which way cameras looked."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.orient import Oriented, orient
    from kinsight.show import orientation_table

    found = orient(**given(options, "json"))
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
    elif isinstance(found, Oriented):
        print(_lines(found))
    else:
        print(orientation_table(found) + (f"\n\npage: {options.out}" if options.out else ""))


def _lines(found: Oriented) -> str:
    if found.confidence is None:
        sure = "how sure is not known: `kinsight orient RUN` on pairs with headings calibrates it"
    else:
        sure = f"right within {found.within:g} degrees with a probability of {100 * found.confidence:.0f} %"
    (x, y), (right, down) = found.street, found.aerial
    return (
        f"the panorama's left border looks {found.angle:.1f} degrees clockwise from up in the aerial picture\n"
        f"  {sure}\n"
        f"  decided by x {x:.0f}, y {y:.0f} of the panorama and x {right:.0f}, y {down:.0f} of the aerial picture"
    )
