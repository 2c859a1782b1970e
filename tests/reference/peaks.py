"""The peak of a map one place at a time."""

from __future__ import annotations

import math

import numpy as np


def peak_place(values: np.ndarray) -> tuple[float, float]:
    """Row and column of the peak of a map (h, w), in places: plateaus flooded place by place, gravity by sums."""
    height, width = values.shape
    largest, smallest = max(map(float, values.ravel())), min(map(float, values.ravel()))

    def around(row: int, column: int) -> list[tuple[int, int]]:
        near = [(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
        return [(i, j) for i, j in near if 0 <= i < height and 0 <= j < width]

    left = [
        (i, j) for i in range(height) for j in range(width) if values[i, j] >= largest - 1e-6 * (largest - smallest)
    ]
    plateaus: list[list[tuple[int, int]]] = []
    while left:
        plateau = [left.pop(0)]
        for place in plateau:
            for near in around(*place):
                if near in left:
                    left.remove(near)
                    plateau.append(near)
        plateaus.append(plateau)

    def support(plateau: list[tuple[int, int]]) -> float:
        return sum(max(float(values[near]), 0) for place in plateau for near in around(*place)) / len(plateau)

    best = plateaus[0]
    for plateau in plateaus[1:]:
        if support(plateau) > support(best) and not math.isclose(support(plateau), support(best), rel_tol=1e-5):
            best = plateau
    rows = columns = 0.0
    for place in best:
        weights = {near: max(float(values[near]), 0) for near in around(*place)}
        total = sum(weights.values()) or 1
        if not any(weights.values()):
            weights = {place: 1}
        rows += sum(weight * i for (i, _), weight in weights.items()) / total / len(best)
        columns += sum(weight * j for (_, j), weight in weights.items()) / total / len(best)
    return rows, columns
