"""How well k-means on the embedding finds the classes again."""

from __future__ import annotations

import faiss
import numpy as np

from kinsight.evaluation.vectors import checked

ITERATIONS = 20
SEEDS = 3


def kmeans(vectors: np.ndarray, clusters: int, *, iterations: int = ITERATIONS, seed: int = 0) -> np.ndarray:
    """The cluster of each vector by Lloyd's k-means (faiss), one start, all vectors used. int64 (N,)

    Its cost is iterations x N x clusters x D; nothing quadratic is held.
    """
    vectors = checked(vectors)
    means = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=iterations,
        nredo=1,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    means.train(vectors)
    nearest: np.ndarray = means.index.search(vectors, 1)[1][:, 0]
    return nearest.astype(np.int64)


def nmi(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Normalized mutual information, 2 I / (H + H'): the arithmetic mean of the entropies. Biased upwards for many small clusters."""
    # Imported where it is needed: it takes memory and a second that most who evaluate can spare.
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters))


def ami(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Mutual information adjusted for chance (arithmetic mean): about 0 for random clusters, 1 for the classes themselves."""
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(labels, clusters))


def f1(labels: np.ndarray, clusters: np.ndarray) -> float:
    """F1 over pairs of items: precision among pairs of one cluster, recall among pairs of one class. 0 if either has no pair."""
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1)
    clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    both = np.unique(labels.astype(np.int64) * (int(clusters.max()) + 1) + clusters, return_counts=True)[1]
    hits = _pairs(both)
    same = _pairs(np.bincount(labels)) + _pairs(np.bincount(clusters))
    return 2 * hits / same if same else 0.0


def clustering(
    vectors: np.ndarray, labels: np.ndarray, *, iterations: int = ITERATIONS, seeds: int = SEEDS, seed: int = 0
) -> dict[str, float]:
    """Mean and standard deviation (n - 1) of NMI, AMI and F1 over several starts of k-means with as many clusters as classes.

    Args:
        vectors: unit vectors (N, D).
        labels: (N,).
        seeds: how many starts; they use seed, seed + 1, and so on.
    """
    classes = len(np.unique(labels))
    runs = [kmeans(vectors, classes, iterations=iterations, seed=seed + start) for start in range(seeds)]
    out = {}
    for name, measure in (("nmi", nmi), ("ami", ami), ("f1", f1)):
        values = [measure(labels, clusters) for clusters in runs]
        out[name] = float(np.mean(values))
        out[f"{name}_sd"] = float(np.std(values, ddof=1)) if seeds > 1 else 0.0
    return out


def _pairs(counts: np.ndarray) -> int:
    counts = counts.astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())
