"""Pair counting over all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np


def f1(labels: np.ndarray, clusters: np.ndarray) -> float:
    pairs = list(combinations(range(len(labels)), 2))
    same_class = [labels[i] == labels[j] for i, j in pairs]
    same_cluster = [clusters[i] == clusters[j] for i, j in pairs]
    hits = sum(a and b for a, b in zip(same_class, same_cluster, strict=True))
    precision, recall = hits / sum(same_cluster), hits / sum(same_class)
    return 2 * precision * recall / (precision + recall) if hits else 0.0
