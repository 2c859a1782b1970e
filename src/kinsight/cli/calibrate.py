"""kinsight calibrate"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.options import add_columns, add_json, add_page, add_seed, add_split_by, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "calibrate",
        "What similarity means the same: thresholds at stated rates of false accepts, for pairs and for searches, and a probability, from "
        "pictures of classes that the model was not trained on. Kept in the model folder.",
    )
    parser.add_argument("run", help="the run folder")
    parser.add_argument(
        "--rates",
        nargs="+",
        type=float,
        default=[0.001, 0.01, 0.1],
        metavar="RATE",
        help="of false accepts (default: 0.001 0.01 0.1)",
    )
    parser.add_argument(
        "--split",
        default="validation",
        help="which pictures are calibrated on: validation, test, train or all (default: validation)",
    )
    parser.add_argument(
        "--check", metavar="SPLIT", help="other pictures, such as test: do the thresholds keep there what they promise"
    )
    parser.add_argument("--data", help="another table, folder or zip than the run's own")
    add_split_by(parser)
    add_columns(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=1500,
        help="at most so many pictures of a split, drawn from the seed; all their pairs are compared (default: 1500)",
    )
    parser.add_argument(
        "--which", default="best", choices=("best", "last"), help="which model of the run (default: best)"
    )
    parser.add_argument(
        "--judgements",
        metavar="CSV",
        help="matches that people confirmed or rejected on the page: what a cosine means among hits, besides",
    )
    add_seed(parser)
    add_page(parser, "curves")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """When is it the same?"""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.calibrate import calibrate
    from kinsight.show.calibration.table import calibration_text

    found = calibrate(**given(options, "json"))
    print(json.dumps(found.to_dict(), indent=2) if options.json else calibration_text(found))
    if options.out and not options.json:
        print(f"\npage: {options.out}")
