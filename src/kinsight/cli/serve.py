"""kinsight serve"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "serve",
        "A page on which an index is searched: drop or photograph a picture, draw or paint what counts, see what answers. Ctrl-C ends.",
    )
    parser.add_argument("index", help="the file that `kinsight index` wrote")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen at; 0.0.0.0: all of this machine, so that others on the network reach it (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=int, default=8765, help="0: one that is free (default: 8765)")
    parser.add_argument(
        "--token",
        help="whoever opens the page must know it; made up where others on the network reach it and none is given",
    )
    parser.add_argument("--model", help="the run or model folder, where it is not where the index says")
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="compare only the pictures that lists say may be near, for an index of more than some hundred thousand; the index must have "
        "been given them: `kinsight index --out NAME.kin --approximate`",
    )
    parser.add_argument(
        "--stream",
        help="of a model of two streams: of which view pictures are that are sent, where not of that of the index's",
    )
    return parser


def run(arguments: Sequence[str]) -> None:
    """Serve the page."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.server.running import serve

    serve(**given(options), opened=lambda address: print(f"open {address}\nCtrl-C ends", flush=True))
    print("stopped; judgements are kept beside the index")
