"""kinsight division"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_seed, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "division",
        "What the method division made of a run: the tree of clusters with example pictures, what every subspace finds, the masks, how "
        "steady the clusters were, and the state of the embedding in each.",
    )
    parser.add_argument("run", help="a run folder that was trained with --method division")
    parser.add_argument("--out", default="division.html", help="the page (default: division.html)")
    parser.add_argument("--split", default="test", help="the pictures that search (default: test)")
    parser.add_argument("--which", choices=("best", "last"), default="best", help="the model (default: best)")
    parser.add_argument("--queries", type=int, default=6, help="pictures that search in every subspace (default: 6)")
    parser.add_argument("--limit", type=int, help="at most so many pictures of each half, drawn from the seed")
    parser.add_argument(
        "--plane",
        choices=("auto", "t-sne", "umap", "both"),
        default="auto",
        help="how the embedding is laid out: auto is t-SNE, and UMAP beside it where umap-learn is installed (default: auto)",
    )
    add_seed(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Show a division."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.division import division
    from kinsight.show.division.conclusion import conclusion

    found = division(options.run, **given(options, "run"), progress=True)
    print("\n".join(conclusion(found)), end="\n\n")
    print(found)
    print(f"\npage: {options.out}")
