"""Which of the old clusters each new one continues: a linear assignment (equation 3), solved by Jonker and Volgenant's algorithm."""

from __future__ import annotations

import numpy as np

MATCHINGS = ("iou", "overlap")


def matched(old: np.ndarray, new: np.ndarray, count: int, *, by: str = "iou", inverse: bool = False) -> np.ndarray:
    """The new clusters (N,) under the numbers of the old ones (N,) that they continue; pictures of none (-1) stay so.

    Args:
        count: K, of both.
        by: "iou" maximises the sum of intersections over unions (the paper); "overlap" that of intersections, as the public code does by
            the smallest differences.
        inverse: relabel by the inverse permutation, as the public code does.
    """
    from scipy.optimize import linear_sum_assignment  # here, because of the memory that it takes

    score = overlaps(old, new, count) if by == "overlap" else ious(old, new, count)
    rows, columns = linear_sum_assignment(score, maximize=True)
    name = np.empty(count, np.int64)  # of each new cluster
    if inverse:
        name[rows] = columns
    else:
        name[columns] = rows
    return np.where(new >= 0, name[new], new)


def overlaps(old: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
    """How many pictures an old and a new cluster share, (K, K); pictures set aside in either count nowhere."""
    both = (old >= 0) & (new >= 0)
    return np.bincount(old[both] * count + new[both], minlength=count * count).reshape(count, count)


def ious(old: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
    """Intersection over union of every old and new cluster, (K, K); 0 where both are empty."""
    shared = overlaps(old, new, count)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    return shared / np.maximum(union, 1)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """The share of pictures that have the same cluster in both, among those that have one in both."""
    both = (one >= 0) & (other >= 0)
    return float((one[both] == other[both]).mean()) if both.any() else 0.0
