"""Pooling one number at a time."""

from __future__ import annotations

import numpy as np


def pool(name: str, feature_map: np.ndarray, power: float = 3.0, eps: float = 1e-6) -> np.ndarray:
    """(N, C, h, w) -> (N, C'), in float64."""
    rows = []
    for picture in feature_map.astype(np.float64):
        row: list[float] = []
        for channel in picture:
            values = [channel[i, j] for i in range(channel.shape[0]) for j in range(channel.shape[1])]
            average = sum(values) / len(values)
            if name == "avg":
                row.append(average)
            elif name == "max":
                row.append(max(values))
            elif name == "avg+max":
                row.append(average + max(values))
            elif name == "gem":
                row.append((sum(max(value, eps) ** power for value in values) / len(values)) ** (1 / power))
            else:
                row.extend(values)
        rows.append(row)
    return np.array(rows)


def shared_maximum(feature_map: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
    """What each place has of its channel's maximum, (N, C, h, w): ties share it in equal parts; `at`: the maxima of another map."""
    at = feature_map if at is None else at
    found = np.zeros(feature_map.shape)
    for n in range(at.shape[0]):
        for k in range(at.shape[1]):
            places = [(i, j) for i in range(at.shape[2]) for j in range(at.shape[3])]
            largest = max(at[n, k, i, j] for i, j in places)
            tied = [(i, j) for i, j in places if at[n, k, i, j] == largest]
            for i, j in tied:
                found[n, k, i, j] = feature_map[n, k, i, j] / len(tied)
    return found
