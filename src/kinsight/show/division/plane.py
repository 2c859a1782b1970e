"""Embeddings laid out in the plane for the page of a division: t-SNE, and UMAP where umap-learn is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from kinsight.errors import KinsightError
from kinsight.show.report.atlas import layout

T_SNE, UMAP = "t-SNE", "UMAP"
PLANES = {"auto": (), "t-sne": (T_SNE,), "umap": (UMAP,), "both": (T_SNE, UMAP)}
FEWEST = 16  # of which UMAP makes a map


def chosen_planes(name: str) -> tuple[str, ...]:
    """Which layouts `name` asks for: t-sne, umap, both, or auto: both where umap-learn is installed, else t-SNE.

    Raises:
        KinsightError: the name is not known, or umap-learn is not installed.
    """
    if name not in PLANES:
        raise KinsightError(f"plane {name!r} is not known; write {', '.join(PLANES)}")
    has_umap = find_spec("umap") is not None
    if name == "auto":
        return PLANES["both" if has_umap else "t-sne"]
    if UMAP in PLANES[name] and not has_umap:
        raise KinsightError(
            f"plane {name} needs the package umap-learn, which is not installed; install it (pip install 'kinsight[umap]'), or write t-sne"
        )
    return PLANES[name]


def places(vectors: np.ndarray, plane: str) -> np.ndarray:
    """Vectors (N, D) in the plane, (N, 2), the same each time. McInnes, Healy and Melville 2018; implementation: umap-learn."""
    if plane == T_SNE or len(vectors) < FEWEST:
        return layout(vectors)
    import umap

    found = umap.UMAP(metric="cosine", init="pca", random_state=0, n_jobs=1).fit_transform(vectors)
    return np.nan_to_num(np.asarray(found, dtype=np.float64))
