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
