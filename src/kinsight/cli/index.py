"""kinsight index"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsight.cli.options import add_columns, given, hyphened, verb_parser

if TYPE_CHECKING:
    from kinsight.api.opened_index import Index


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "index",
        "Make an index of pictures that `kinsight search` searches, go on with one that was cut off, or change one. Without pictures: say "
        "what it holds, or remove from it.",
    )
    parser.add_argument("model", nargs="?", help="the run or model folder")
    parser.add_argument(
        "pictures", nargs="?", help="a folder, table or zip; all columns of a table are kept for --where"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="NAME.kin",
        help="the index: one file, or a Qdrant server (qdrant://HOST:PORT/NAME)",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="bring a finished index up to date: only what is new or changed is embedded",
    )
    parser.add_argument(
        "--prune", action="store_true", help="with --update: remove what is not among the pictures any more"
    )
    parser.add_argument(
        "--remove", nargs="+", default=(), metavar="ID", help="remove pictures from the index, by their ids"
    )
    parser.add_argument("--stream", help="of a model of two streams: of which view the pictures are")
    parser.add_argument(
        "--places",
        action="store_true",
        help="also keep what every place says, compressed, for `kinsight search --by places`",
    )
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="build the lists for `kinsight search --approximate` as well; also of an index that is there, without pictures",
    )
    parser.add_argument(
        "--dtype", choices=("float16", "float32"), default="float16", help="how vectors are kept (default: float16)"
    )
    parser.add_argument("--crop-to-box", action="store_true", help="cut every picture to its box in the table")
    parser.add_argument(
        "--batch-size", type=int, default=64, help="pictures embedded and committed at a time (default: 64)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that decode pictures (default: 2)")
    parser.add_argument(
        "--on-unreadable",
        choices=("refuse", "skip"),
        default="refuse",
        help="what a corrupt picture does: stop with its path, or be left out (default: refuse)",
    )
    add_columns(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Make, change or describe an index."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.index import index

    out = options.out
    with index(**given(options), progress=True) as made:
        built = made.built
        if options.remove:
            print(f"removed {made.removed:,} of {len(options.remove):,} pictures from {out}")
        if built is not None:
            said = {
                "added": built.added,
                "embedded anew": built.changed,
                "as they were": built.unchanged,
                "removed": built.removed,
                "unreadable": len(built.unreadable),
            }
            words = [f"{count:,} {what}" for what, count in said.items() if count] or ["nothing to do"]
            print(f"{out}: {', '.join(words)}")
        if made.enough is not None:
            print(
                f"approximate search compares {made.enough.compared:,} pictures and finds {made.enough.recall:.1%} of the ten nearest of "
                "sampled pictures"
            )
        print(_described(made))


def _described(opened: Index) -> str:
    about = opened.store.about
    columns = ", ".join(about.columns) or "none"
    state = "" if about.complete else "; it is not finished: the same command goes on"
    return (
        f"{len(opened):,} pictures, vectors of {about.dim} numbers ({about.dtype}) of model {str(about.model.get('digest'))[:12]}, "
        f"columns for --where: id, path, {columns}{state}".replace(", none", "")
    )
