"""A made-up division of a run: two depths, masks that differ in part, a class in two clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kinsight.evaluation.subspaces import SpaceState
from kinsight.show.division.result import IN_ITS_SUBSPACE, Cluster, DivisionResult, Found, Modes

COUNT, DIM = 4, 32


def made(folder: Path, *, count: int = COUNT) -> DivisionResult:
    """Of a run with so many clusters, whose pictures are written into the folder."""
    random = np.random.default_rng(0)
    paths = [str(folder / f"{number}.png") for number in range(4)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (24, 24, 3)).astype(np.uint8)).save(path)
    masks = random.random((count, DIM)) + np.eye(count).repeat(DIM // count, 1)
    unit = masks / np.linalg.norm(masks, axis=1, keepdims=True)
    state = SpaceState(36, (12, 18, 25), 0.4, 1.2, 0.6, 0.9)
    better = SpaceState(36, (3, 5, 8), 0.3, 1.1, 0.4, 0.7)
    spaces = {
        "training pictures": state,
        "test pictures": state,
        "cluster 0": state,
        f"cluster 0{IN_ITS_SUBSPACE}": better,
    }
    names = ["whole", *(f"subspace {number}" for number in range(count))]
    found = Found(
        paths[0],
        "a class with a rather long name",
        {name: [(path, path == paths[1]) for path in paths] for name in names},
    )
    at = random.normal(size=(40, 2)), random.integers(-1, count, 40), paths * 10
    return DivisionResult(
        run="birds-divided",
        split="test",
        tree=[[Cluster(number, 144 // depth, 12, paths) for number in range(depth)] for depth in (1, count)],
        divisions=[
            {"epoch": epoch, "agreement": 0.5 + 0.1 * epoch, "nmi": 0.4, "clusters": count, "set_aside": 3}
            for epoch in (1, 2, 3)
        ],
        masks=masks,
        overlap=unit @ unit.T,
        spaces=spaces,
        found=[found],
        modes=[Modes("a class with a rather long name", {0: paths, 1: paths[:1]})],
        maps={(half, plane): at for half in ("training pictures", "test pictures") for plane in ("t-SNE", "UMAP")},
    )
