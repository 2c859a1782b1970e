"""What state an embedding is in, apart from what it retrieves."""

from __future__ import annotations

import numpy as np

HUBNESS_K = 10
_ROWS = 4096


def spectrum(vectors: np.ndarray) -> np.ndarray:
    """Variances along the principal components, falling. (D,)"""
    mean = vectors.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _ROWS):
        centred = vectors[start : start + _ROWS] - mean
        scatter += centred.T @ centred
    return np.maximum(np.linalg.eigvalsh(scatter / len(vectors))[::-1], 0)


def effective_dimensions(variances: np.ndarray, share: float) -> int:
    """The smallest number of principal components that hold this share of the variance; 0 when there is no variance."""
    total = variances.sum()
    if total <= 0:
        return 0
    return int(np.searchsorted(np.cumsum(variances) / total, share - 1e-9) + 1)


def spectrum_decay(variances: np.ndarray) -> float:
    """How far the spectrum is from flat: KL(s || uniform) = log D - H(s) in nats, s the singular values of the centred vectors divided by
    their sum. 0 when all directions are used alike, log D when one is. ("rho" of Roth et al., ICML 2020, is KL(uniform || s): the
    same idea, but infinite as soon as one direction is unused.)
    """
    values = np.sqrt(variances)
    if values.sum() <= 0:
        return float(np.log(len(values)))
    shares = values[values > 0] / values.sum()
    return float(np.log(len(values)) + (shares * np.log(shares)).sum())


def class_distances(vectors: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean squared Euclidean distance over all pairs of one class, and over all pairs of two classes; 0 where there is no pair.

    For n vectors the sum of squared distances over ordered pairs is 2 n sum |x|^2 - 2 |sum x|^2, so no pair is ever formed.
    """
    numbers = np.unique(labels, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(numbers).astype(np.float64)  # (C,)
    sums = np.zeros((len(counts), vectors.shape[1]))  # (C, D)
    squares = np.zeros(len(counts))  # (C,)
    for start in range(0, len(vectors), _ROWS):
        rows, group = vectors[start : start + _ROWS].astype(np.float64), numbers[start : start + _ROWS]
        np.add.at(sums, group, rows)
        np.add.at(squares, group, (rows * rows).sum(axis=1))
    within = float((2 * counts * squares - 2 * (sums * sums).sum(axis=1)).sum())
    total = float(2 * counts.sum() * squares.sum() - 2 * (sums.sum(axis=0) ** 2).sum())
    pairs_within = float((counts * (counts - 1)).sum())
    pairs_between = float(counts.sum() * (counts.sum() - 1)) - pairs_within
    between = (total - within) / pairs_between if pairs_between else 0.0
    return max(within / pairs_within, 0.0) if pairs_within else 0.0, max(between, 0.0)


def hubness(neighbours: np.ndarray, gallery: int) -> tuple[float, float]:
    """Skewness of how often each gallery item is among the neighbours, and the share of items that never are.

    Skewness of the k-occurrence as in Radovanovic et al., "Hubs in Space" (JMLR 2010): above 0 a few hubs crowd the answers.

    Args:
        neighbours: indices into the gallery (Q, k).
        gallery: its size.
    """
    from scipy.stats import skew  # here, because of the memory that it takes

    times = np.bincount(neighbours.reshape(-1), minlength=gallery)
    return (float(skew(times)) if times.std() > 0 else 0.0), float((times == 0).mean())


def diagnosis(vectors: np.ndarray, labels: np.ndarray, neighbours: np.ndarray, gallery: int) -> dict[str, float]:
    """All of the above under their fixed names.

    Args:
        vectors: unit vectors (N, D).
        labels: (N,).
        neighbours: the first HUBNESS_K neighbours of each query, as indices into the gallery (Q, k).
        gallery: its size.
    """
    variances = spectrum(vectors)
    intra, inter = class_distances(vectors, labels)
    skewness, never = hubness(neighbours, gallery)
    return {
        **{
            f"effective_dimensions_{percent}": effective_dimensions(variances, percent / 100)
            for percent in (90, 95, 99)
        },
        "spectrum_decay": spectrum_decay(variances),
        "intra_class_distance": intra,
        "inter_class_distance": inter,
        "hubness": skewness,
        "antihubs": never,
    }
