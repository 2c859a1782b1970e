"""Embeddings as they enter the room: checked, and of unit length where the cosine asks for it."""

from __future__ import annotations

import numpy as np

from kinsight.errors import KinsightError

_ROWS = 512  # rows of one step: their float64 copy stays in the cache


def checked(vectors: np.ndarray, name: str = "vectors") -> np.ndarray:
    """The vectors as contiguous float32 (N, D).

    Raises:
        KinsightError: not two axes, no row, not numbers, or a value that is not finite.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or 0 in array.shape:
        raise KinsightError(
            f"{name} have the shape {array.shape}; give a table with one row of numbers for each picture"
        )
    if array.dtype.kind not in "fiu":
        raise KinsightError(f"{name} are of type {array.dtype}; give real numbers")
    array = np.ascontiguousarray(array, dtype=np.float32)
    for start in range(0, len(array), _ROWS):
        finite = np.isfinite(array[start : start + _ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            raise KinsightError(
                f"{name} row {row} holds NaN or infinity; leave that picture out or repair the model that made it"
            )
    return array


def unit(vectors: np.ndarray, name: str = "vectors") -> np.ndarray:
    """The checked vectors divided by their Euclidean norms. float32 (N, D)

    Raises:
        KinsightError: a row is zero, so it has no direction; and all that `checked` raises.
    """
    array = checked(vectors, name)
    out = np.empty_like(array)
    for start in range(0, len(array), _ROWS):
        block = array[start : start + _ROWS].astype(np.float64)
        norms = np.sqrt((block * block).sum(axis=1, keepdims=True))  # (n, 1)
        if not norms.all():
            row = start + int(np.argmin(norms[:, 0]))
            raise KinsightError(
                f"{name} row {row} is all zero and has no direction; leave that picture out or repair the model that made it"
            )
        out[start : start + _ROWS] = block / norms
    return out
