"""Embeddings laid out in the plane so that neighbours stay neighbours: t-SNE, UMAP (with umap-learn), or their principal plane."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from kinsight.errors import KinsightError

T_SNE, UMAP, PCA = "t-SNE", "UMAP", "PCA"
METHODS = {"tsne": T_SNE, "umap": UMAP, "pca": PCA}
PLANES = {"auto": (), "t-sne": (T_SNE,), "umap": (UMAP,), "both": (T_SNE, UMAP)}
FEWEST = {T_SNE: 8, UMAP: 16, PCA: 0}  # of which a method makes a map
MANY = 20_000  # from here on forces are interpolated on a grid (FIt-SNE) and no longer summed over a tree


def chosen_layout(method: str) -> str:
    """The layout that a method's name stands for: tsne, umap or pca.

    Raises:
        KinsightError: the name is not known, or umap-learn is not installed.
    """
    found = METHODS.get(method.lower().replace("-", "")) if isinstance(method, str) else None
    if found is None:
        raise KinsightError(f"method {method!r} is not known; write {', '.join(METHODS)}")
    if found == UMAP:
        _require_umap("method umap", "tsne")
    return found


def chosen_planes(name: str) -> tuple[str, ...]:
    """Which layouts `name` asks for: t-sne, umap, both, or auto: both where umap-learn is installed, else t-SNE.

    Raises:
        KinsightError: the name is not known, or umap-learn is not installed.
    """
    if name not in PLANES:
        raise KinsightError(f"plane {name!r} is not known; write {', '.join(PLANES)}")
    if name == "auto":
        return PLANES["both" if _has_umap() else "t-sne"]
    if UMAP in PLANES[name]:
        _require_umap(f"plane {name}", "t-sne")
    return PLANES[name]


def places(vectors: np.ndarray, plane: str, seed: int = 0) -> np.ndarray:
    """Vectors (N, D) in the plane, (N, 2), the same each time: only their directions count.

    Too few vectors for a method, or vectors that are all equal, keep their principal plane. t-SNE: van der Maaten and Hinton 2008,
    implementation openTSNE (Policar et al. 2019); UMAP: McInnes, Healy and Melville 2018, implementation umap-learn.
    """
    directions = _directions(vectors)
    if plane == PCA or len(directions) < FEWEST[plane] or np.ptp(directions, axis=0).max(initial=0) < 1e-7:
        return principal_plane(directions)
    found = _umap(vectors, seed) if plane == UMAP else _t_sne(directions, seed)
    return np.nan_to_num(np.asarray(found, dtype=np.float64))


def _t_sne(directions: np.ndarray, seed: int) -> np.ndarray:
    from openTSNE import TSNE

    start = principal_plane(directions)
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
    tsne = TSNE(
        perplexity=min(30.0, (len(directions) - 1) / 3),
        initialization=start,
        negative_gradient_method="bh" if len(directions) < MANY else "fft",
        random_state=seed,
        n_jobs=1,  # the same map on every machine
    )
    return np.asarray(tsne.fit(directions))


def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    import umap

    return umap.UMAP(metric="cosine", init="pca", random_state=seed, n_jobs=1).fit_transform(vectors)


def principal_plane(values: np.ndarray) -> np.ndarray:
    """Values (N, D) along their two widest directions, (N, 2)."""
    if values.size == 0:
        return np.zeros((len(values), 2))
    centred = values - values.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of an axis is free; fixing it keeps the map the same on every machine.
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    plane = centred @ axes.T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def _directions(vectors: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(np.asarray(vectors, dtype=np.float64))
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)


def _has_umap() -> bool:
    return find_spec("umap") is not None


def _require_umap(asked: str, instead: str) -> None:
    if not _has_umap():
        raise KinsightError(
            f"{asked} needs the package umap-learn, which is not installed; install it (pip install 'kinsight[umap]'), or write {instead}"
        )
