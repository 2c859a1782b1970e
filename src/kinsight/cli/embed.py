"""kinsight embed"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """Write ids, vectors and labels (where known) of pictures to an .npz."""
    parser = argparse.ArgumentParser(prog="kinsight embed", description="Write the embeddings of pictures to an .npz.")
    parser.add_argument("run", help="the run or model folder")
    parser.add_argument("pictures", help="a picture, folder, table or zip")
    parser.add_argument("--out", required=True, help="the .npz to write: ids, vectors, labels (where known), digest")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--crop_to_box", action="store_true", help="cut every picture to its box in the table")
    parser.add_argument("--on_unreadable", choices=("refuse", "skip"), default="refuse")
    parser.add_argument("--group", type=int, metavar="N", help="of a model with groups: the vectors of group N alone")
    options = parser.parse_args(list(arguments))

    from kinsight.api import embed

    embeddings = embed(
        options.run,
        options.pictures,
        batch_size=options.batch_size,
        workers=options.workers,
        crop_to_box=options.crop_to_box,
        on_unreadable=options.on_unreadable,
        progress=True,
        group=options.group,
    )
    embeddings.save(options.out)
    count, dim = embeddings.vectors.shape
    which = "" if options.group is None else f" of group {options.group}"
    print(f"{count} embeddings{which} of {dim} dimensions in {options.out} (model {embeddings.digest[:12]})")
