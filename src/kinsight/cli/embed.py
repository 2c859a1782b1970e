"""kinsight embed"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_columns, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser("embed", "Write the embeddings of pictures to an .npz.")
    parser.add_argument("model", help="the run or model folder")
    parser.add_argument("pictures", help="a picture, folder, table or zip")
    parser.add_argument("--out", required=True, help="the .npz to write: ids, vectors, labels (where known), digest")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures encoded at a time (default: 64)")
    parser.add_argument("--workers", type=int, default=2, help="processes that decode pictures (default: 2)")
    parser.add_argument("--crop-to-box", action="store_true", help="cut every picture to its box in the table")
    parser.add_argument(
        "--on-unreadable",
        choices=("refuse", "skip"),
        default="refuse",
        help="what a corrupt picture does: stop with its path, or be left out (default: refuse)",
    )
    add_columns(parser)
    parser.add_argument("--group", type=int, metavar="N", help="of a model with groups: the vectors of group N alone")
    parser.add_argument(
        "--stream",
        metavar="VIEW",
        help="of a model of two streams: of which view the pictures are (default: the table's column view)",
    )
    return parser


def run(arguments: Sequence[str]) -> None:
    """Write ids, vectors and labels (where known) of pictures to an .npz."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.embed import embed

    embeddings = embed(**given(options), progress=True)
    count, dim = embeddings.vectors.shape
    which = "" if options.group is None else f" of group {options.group}"
    print(f"{count} embeddings{which} of {dim} dimensions in {options.out} (model {embeddings.digest[:12]})")
