"""Where a division gains and loses: nearest neighbours of unseen pictures inside and between clusters, in their own subspace and in others.

Each unseen picture belongs to the cluster whose middle (of training pictures, in the divided embedding) is nearest. P@1 is then measured
among all unseen pictures, and among those of the own cluster alone: in the whole embedding, in the cluster's own subspace, and in the other
subspaces (mean); for pictures that have one of their class in their cluster, whose share is printed too. The plain run is measured on the
same pictures in the same clusters, so that both are asked the same, and both among the training pictures.

    python benchmarks/division_why.py PLAIN-RUN DIVIDED-RUN ... [--which last]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from kinsight.api.opened_run import evaluation_data, rows_of
from kinsight.evaluation.subspaces import seen_in
from kinsight.models import Embedder, load_embedder
from kinsight.runs.folder import RunFolder
from kinsight.show.table import aligned
from kinsight.training.checkpoints import newest_checkpoint
from kinsight.training.encoding import encode_rows
from kinsight.training.methods.division.state import read_division

TITLES = (
    *("run", "training", "all", "can be found", "own cluster", "own subspace", "other subspaces"),
    *("plain: training", "plain: all", "plain: own cluster"),
)


def right(vectors: np.ndarray, labels: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """Whether the nearest of unit vectors (N, D) has the same label, (N,); with clusters among the own one's alone."""
    found = np.zeros(len(labels), bool)
    for start in range(0, len(labels), 512):
        rows = np.arange(start, min(start + 512, len(labels)))
        near = vectors[rows] @ vectors.T  # (q, N)
        near[np.arange(len(rows)), rows] = -np.inf
        if clusters is not None:
            near[clusters[rows, None] != clusters] = -np.inf
        found[rows] = (labels[near.argmax(1)] == labels[rows]) & np.isfinite(near.max(1))
    return found


def row(folder: RunFolder, plain: RunFolder, which: str) -> list[str]:
    """The numbers of a divided run, in the order of `TITLES`."""
    table, settings = evaluation_data(folder, data=None, split="test", split_by=None)
    train, test = rows_of(table, "train", settings.data), rows_of(table, "test", settings.data)
    seen, labels = (table["label"].to_numpy()[rows] for rows in (train, test))

    def vectors(model: Embedder, rows: np.ndarray) -> np.ndarray:
        return encode_rows(model, table, rows, settings.data).vectors

    model, other = (load_embedder(each.trained_model(which)) for each in (folder, plain))
    checkpoint = newest_checkpoint(folder.checkpoints)
    if checkpoint is None or model.subspace_shares is None:
        raise SystemExit(f"{folder.path} was not trained with the method division; give a run that was")
    state = read_division(checkpoint, len(train)).when(model.subspaces)
    known, asked = vectors(model, train), vectors(model, test)
    used = np.unique(state.clusters[state.clusters >= 0])
    middles = np.stack([known[state.clusters == number].mean(0) for number in used])  # (K, D)
    clusters = used[(((asked[:, None] - middles) ** 2).sum(2)).argmin(1)]
    able = np.array([np.sum(labels[clusters == clusters[row]] == labels[row]) > 1 for row in range(len(labels))])
    shares = model.subspace_shares.cpu().numpy()
    inside = np.stack([right(seen_in(asked, share), labels, clusters) for share in shares])  # (K, N)
    own = inside[clusters, np.arange(len(labels))]
    rest = (inside.sum(0) - own) / max(len(shares) - 1, 1)
    theirs = vectors(other, test)
    columns = (
        right(known, seen),
        right(asked, labels),
        able,
        right(asked, labels, clusters)[able],
        own[able],
        rest[able],
        right(vectors(other, train), seen),
        right(theirs, labels),
        right(theirs, labels, clusters)[able],
    )
    return [folder.path.name, *(f"{100 * np.mean(column):.1f}" for column in columns)]


def main() -> None:
    """Print a row for each divided run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plain", type=Path)
    parser.add_argument("divided", type=Path, nargs="+")
    parser.add_argument("--which", choices=["best", "last"], default="best")
    options = parser.parse_args()
    plain = RunFolder(options.plain).require()
    rows = [row(RunFolder(path).require(), plain, options.which) for path in options.divided]
    print(aligned([list(TITLES), *rows]))


if __name__ == "__main__":
    main()
