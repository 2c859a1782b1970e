"""The strongest matches of a pair by looking at all pairs of places, one at a time."""

from __future__ import annotations

import numpy as np

from kinsight.explanation import Pair

Link = tuple[tuple[int, int], tuple[int, int]]


def strongest_links(pair: Pair, count: int, *, faintest: float = 0.25) -> list[Link]:
    tensor = pair.tensor

    def strength(i: int, j: int, x: int, y: int) -> float:
        if tensor[i, j, x, y] <= 0:
            return 0.0
        around = 0.0
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                at = (i + down, j + right, x + down, y + right)
                if all(0 <= one < length for one, length in zip(at, tensor.shape, strict=True)):
                    around += tensor[at]
        return float(np.sqrt(tensor[i, j, x, y] * max(around, 0)))

    found = sorted(((strength(*at), at) for at in np.ndindex(tensor.shape)), key=lambda one: -one[0])
    apart = [max(round(length * 2 / 7), 2) for length in tensor.shape]
    kept: list[Link] = []
    for value, (i, j, x, y) in found:
        near_one = any(
            (abs(i - here[0]) < apart[0] and abs(j - here[1]) < apart[1])
            or (abs(x - there[0]) < apart[2] and abs(y - there[1]) < apart[3])
            for here, there in kept
        )
        if value > faintest * found[0][0] and not near_one and len(kept) < count:
            kept.append(((i, j), (x, y)))
    return kept
