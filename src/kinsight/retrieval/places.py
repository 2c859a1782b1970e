"""Places of pictures, compressed, so that a part of a picture can be compared with every place of every picture.

A place is kept as its direction: what it contributes (with its share of the bias), of length 1, in the leading directions of the places of
the first pictures, each number in eight bits. So it takes d + 4 bytes, some hundredth of what it was.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kinsight.errors import KinsightError
from kinsight.retrieval.entries import PackedPlaces
from kinsight.retrieval.searched import Ranked
from kinsight.retrieval.store import Known, Store

DIRECTIONS = 64
_STEPS = 127  # of eight bits on each side of zero
_BLOCK = 1 << 16  # places that are multiplied at a time


def fit_directions(places: np.ndarray, count: int = DIRECTIONS) -> np.ndarray:
    """The `count` directions in which unit places (..., D) say most: the leading eigenvectors of their second moments. float32 (D, d)"""
    rows = _unit(places.reshape(-1, places.shape[-1]).astype(np.float64))
    _, vectors = np.linalg.eigh(rows.T @ rows)  # rising
    return np.ascontiguousarray(vectors[:, ::-1][:, :count], np.float32)


def pack_places(places: np.ndarray, directions: np.ndarray) -> PackedPlaces:
    """Places (h, w, D) as codes (see the module)."""
    values = _unit(places.astype(np.float64)) @ directions.astype(np.float64)  # (h, w, d)
    largest = np.abs(values).max(2)  # (h, w)
    scales = np.where(largest > 0, largest, 1) / _STEPS
    return PackedPlaces(np.rint(values / scales[..., None]).astype(np.int8), scales.astype(np.float32))


class PlaceMatrix:
    """The places of all pictures of a store, in memory, kept in step with it; their whole embeddings stay in the file."""

    exact = True

    def __init__(self, store: Store) -> None:
        self.store, self.name = store, store.name
        self._changes = -1
        self.refresh()

    def refresh(self) -> None:
        """Read the places anew where pictures were added or removed.

        Raises:
            KinsightError: the index keeps no places.
        """
        self.store.refresh()
        directions = self.store.directions()
        if directions is None:
            raise KinsightError(
                f"{self.store.name} keeps no places, which search by places compares; build it with places (--places)"
            )
        if self.store.about.changes == self._changes:
            return
        self._changes = self.store.about.changes
        self.directions = directions
        packed = list(self.store.places(dim=directions.shape[1]))
        self.numbers = np.array([number for number, _ in packed], np.int64)
        counts = [one.scales.size for _, one in packed]
        self._starts = np.concatenate([[0], np.cumsum(counts)])[: len(counts)].astype(int)
        empty = np.empty((0, directions.shape[1]), np.int8)
        self._codes = np.concatenate(
            [empty, *(one.codes.reshape(-1, one.codes.shape[2]) for _, one in packed)]
        )  # (M, d)
        self._scales = np.concatenate([np.empty(0, np.float32), *(one.scales.ravel() for _, one in packed)])  # (M,)

    def __len__(self) -> int:
        return len(self.numbers)

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""
        return int(self._allowed(where).sum())

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
        return self.store.pictures(numbers)

    def find(self, query: np.ndarray, k: int, where: str | None = None) -> Ranked:
        """The k pictures whose best places are nearest to a query (D,), among those that meet a condition; scores are the cosines of
        the query and each one's best place, as the codes give them. Of equal ones the one that was added first.
        """
        if not len(self.numbers):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        asked = (_unit(query.astype(np.float64)) @ self.directions).astype(np.float32)  # (d,)
        values = np.empty(len(self._codes), np.float32)
        for start in range(0, len(values), _BLOCK):
            block = slice(start, start + _BLOCK)
            values[block] = self._codes[block].astype(np.float32) @ asked
        scores = np.maximum.reduceat(values * self._scales, self._starts)  # of each picture
        allowed = np.flatnonzero(self._allowed(where))
        order = allowed[np.argsort(-scores[allowed], kind="stable")[:k]]
        return Ranked(self.numbers[order], scores[order])

    def _allowed(self, where: str | None) -> np.ndarray:
        """Which pictures (N,) meet a condition."""
        if where is None:
            return np.ones(len(self.numbers), bool)
        return np.isin(self.numbers, self.store.numbers(where))


def place_cosines(query: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The cosine of a query (D,) with each of the places (h, w, D), exactly. (h, w)"""
    return _unit(places.astype(np.float64)) @ _unit(query.astype(np.float64))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
