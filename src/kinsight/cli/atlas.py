"""kinsight atlas"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from kinsight.cli.options import add_columns, add_seed, add_split_by, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "atlas",
        "Pictures in the plane, near where a model finds them alike, framed in the colours of their classes: a page to walk in "
        "(drag, pinch, wheel, keys; point at a picture to see it larger), or a figure for a paper.",
    )
    parser.add_argument("source", help="the run folder, or a file of embeddings: .npz, .npy, .csv, .parquet")
    parser.add_argument(
        "--out", default="atlas.html", metavar="FILE", help="a page .html or a figure .png (default: atlas.html)"
    )
    parser.add_argument("--method", default="tsne", help="tsne, umap (with umap-learn) or pca (default: tsne)")
    parser.add_argument(
        "--data", help="another table, folder or zip than the run's own; for a file, where its pictures are"
    )
    parser.add_argument("--split", help="test, validation, train or all (default: test for a run, all for a file)")
    add_split_by(parser)
    add_columns(parser)
    parser.add_argument("--vectors-key", metavar="NAME", help="of a file: the array or columns of vectors")
    parser.add_argument(
        "--labels", metavar="FILE", help="of a file that has none: the classes, a .npy, a .csv or a text a line"
    )
    parser.add_argument("--which", choices=("best", "last"), default="best", help="which checkpoint (default: best)")
    parser.add_argument(
        "--limit", type=int, default=10_000, help="at most so many pictures, whole classes first (default: 10000)"
    )
    add_seed(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Lay out a run's pictures, or those of a file of embeddings."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.atlas import atlas

    found = atlas(**given(options), progress=True)
    print(f"{found.words()}. {found.colour_words()}".rstrip(". ") + ".")
    megabytes = Path(options.out).stat().st_size / 1e6
    print(f"\n{'figure' if options.out.lower().endswith('.png') else 'page'}: {options.out} ({megabytes:.1f} MB)")
