"""Cutting training pictures into clusters, each of which can form pairs.

Every way to cut is a function of (rows, count, seed): which of `count` clusters each of these pictures belongs to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinsight.evaluation.clustering import kmeans
from kinsight.training.methods.division.batches import ASIDE

Cut = Callable[[np.ndarray, int, int], np.ndarray]
"""rows (R,), how many clusters, seed -> the cluster of each, (R,)."""


def by_features(features: np.ndarray, iterations: int) -> Cut:
    """k-means of feature vectors (N, D), by faiss, from one start, with all points."""

    def cut(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
        if len(rows) < count:
            return np.arange(len(rows))
        return kmeans(features[rows], count, iterations=iterations, seed=seed)

    return cut


def at_random(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Parts of equal size, drawn anew for every seed."""
    return np.random.default_rng(seed).permutation(len(rows)) * count // max(len(rows), 1)


def by_category(labels: np.ndarray, categories: np.ndarray) -> Cut:
    """Whole categories (N,) side by side, cut where the halves are most even; a single category between its classes (N,).

    `count` is cut by halving, so that the parts of 2 K are the halves of those of K.
    """

    def halves(rows: np.ndarray) -> np.ndarray:
        units = categories[rows] if len(np.unique(categories[rows])) > 1 else labels[rows]
        known, sizes = np.unique(units, return_counts=True)
        if len(known) < 2:
            return np.zeros(len(rows), np.int64)
        edge = np.abs(np.cumsum(sizes)[:-1] - len(rows) / 2).argmin()
        return (units > known[edge]).astype(np.int64)

    def cut(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
        found = np.zeros(len(rows), np.int64)
        for _ in range(count.bit_length() - 1):
            found *= 2
            for number in np.unique(found):
                here = found == number
                found[here] += halves(rows[here])
        return found

    return cut


def divided(cut: Cut, labels: np.ndarray, rows: np.ndarray, count: int, *, seed: int, tries: int) -> np.ndarray:
    """The first cut, over seed, seed + 1, ..., whose clusters can all form pairs; else the last one. (R,)"""
    found = np.zeros(len(rows), np.int64)
    for turn in range(tries):
        found = cut(rows, count, seed + turn)
        if count == 1 or all(can_pair(labels[rows[found == number]]) for number in range(count)):
            break
    return found


def bisected(cut: Cut, labels: np.ndarray, clusters: np.ndarray, count: int, *, seed: int, tries: int) -> np.ndarray:
    """Every one of `count` clusters (N,) cut in two: the children of c are 2 c and 2 c + 1. (N,)"""
    found = np.full(len(clusters), ASIDE)
    for number in range(count):
        rows = np.flatnonzero(clusters == number)
        found[rows] = 2 * number + divided(cut, labels, rows, 2, seed=seed + number, tries=tries)
    return found


def paired(labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The clusters (N,) without what cannot form pairs in them: pictures alone of their class, and clusters of one class, are set aside."""
    found = clusters.copy()
    kept = np.flatnonzero(clusters >= 0)
    cells = np.stack([clusters[kept], labels[kept]])
    _, cell_of, sizes = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    found[kept[sizes[cell_of.reshape(-1)] < 2]] = ASIDE
    for number in np.unique(found[found >= 0]):
        if not can_pair(labels[found == number]):
            found[found == number] = ASIDE
    return found


def can_pair(labels: np.ndarray) -> bool:
    """Whether pictures of these classes (N,) have positive and negative pairs: two classes of two pictures at least."""
    return int((np.unique(labels, return_counts=True)[1] >= 2).sum()) >= 2
