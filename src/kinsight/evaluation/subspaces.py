"""An embedding seen in one of its subspaces, and what state a set of embeddings is in there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.evaluation.diagnosis import class_distances, effective_dimensions, spectrum

SHARES = (0.9, 0.95, 0.99)
NEAREST = 10
QUERIES = 2000


@dataclass(frozen=True)
class SpaceState:
    """Numbers of a set of unit vectors ("Divide and Conquer", Figures 5, 8 and 14).

    Attributes:
        pictures: how many there are.
        effective_dimensions: principal components that hold 90, 95 and 99 % of the variance.
        intra, inter: mean squared distances of pictures of one class, and of two.
        nearest: mean distance to the nearest 10.
        positive_over_negative: distance to the nearest picture of the class over that to the nearest of another, the median: a mean
            would be that of the few pictures that have a copy in another class. NaN without either.
    """

    pictures: int
    effective_dimensions: tuple[int, ...]
    intra: float
    inter: float
    nearest: float
    positive_over_negative: float


def seen_in(vectors: np.ndarray, weights: np.ndarray, groups: int = 1) -> np.ndarray:
    """Embeddings (N, D) as a subspace sees them, of length 1.

    Args:
        weights: (D,), what the numbers are multiplied with.
        groups: P, of embeddings that are P vectors one after the other; each gets one length.
    """
    parts = (vectors * weights).reshape(len(vectors), groups, -1)  # (N, P, d)
    parts = parts / np.maximum(np.linalg.norm(parts, axis=2, keepdims=True), 1e-12) / np.sqrt(groups)
    return parts.reshape(len(vectors), -1).astype(np.float32)


def state_of(vectors: np.ndarray, labels: np.ndarray, *, seed: int = 0, queries: int = QUERIES) -> SpaceState:
    """The state of unit vectors (N, D) with their labels (N,); distances to neighbours are those of at most `queries` of them."""
    variances = spectrum(vectors)
    intra, inter = class_distances(vectors, labels)
    asked = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:queries])
    near, ratios = [], []
    for start in range(0, len(asked), 256):
        rows = asked[start : start + 256]
        distances = np.sqrt(np.maximum(2 - 2 * vectors[rows] @ vectors.T, 0))  # (q, N)
        distances[np.arange(len(rows)), rows] = np.inf
        near.append(np.sort(np.partition(distances, min(NEAREST, len(vectors) - 1) - 1, axis=1)[:, :NEAREST], axis=1))
        same = labels[rows, None] == labels
        positive = np.where(same, distances, np.inf).min(1)
        negative = np.where(same, np.inf, distances).min(1)
        known = np.isfinite(positive) & np.isfinite(negative) & (negative > 0)
        ratios.append(positive[known] / negative[known])
    found = np.concatenate(near)
    ratio = np.concatenate(ratios)
    return SpaceState(
        len(vectors),
        tuple(effective_dimensions(variances, share) for share in SHARES),
        intra,
        inter,
        float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else float("nan"),
        float(np.median(ratio)) if len(ratio) else float("nan"),
    )
