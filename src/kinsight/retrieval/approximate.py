"""Approximate search: lists beside the index file say who may be near, the vectors of the index score these exactly.

The lists (`inverted_lists.py`) are derived and can be built anew at any time. They hold the pictures up to a number; a picture never
changes its number, nor a number its picture. So what was added later is compared exactly, what was removed is passed over, and lists of any
age answer rightly. The index knows its lists by a token, written after them: those of another index, or of a restored one, are not used.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import torch

from kinsight.errors import KinsightError
from kinsight.evaluation.products import scores
from kinsight.evaluation.vectors import unit
from kinsight.files import sweep_parts
from kinsight.retrieval.inverted_lists import (
    Among,
    Enough,
    InvertedLists,
    filled,
    make_lists,
    read_lists,
    sample_size,
)
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.searched import Ranked
from kinsight.retrieval.store import Known, Store

RECALL = 0.995  # of the ten nearest, on sampled pictures; queries from elsewhere find a little less
_SAMPLED = 256  # pictures on which that is measured
_NEAREST = 10
_FEWEST = 512  # vectors that are compared in any case
_CONDITIONS = 16  # conditions whose pictures are kept in mind


class Approximate:
    """The pictures of a store, searched through lists.

    Attributes:
        enough: how many pictures are compared with a query, and what that finds.
    """

    exact = False

    def __init__(self, store: Store, lists: InvertedLists, numbers: np.ndarray, enough: Enough) -> None:
        self.store, self.name, self.enough = store, store.name, enough
        self._lists, self._numbers = lists, numbers
        self._later = Matrix(store, after=int(numbers[-1]) if len(numbers) else 0)
        self._changes = -1
        self._allowed: dict[str | None, Among] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self.store)

    @property
    def later(self) -> int:
        """How many pictures were added since the lists were built, and are compared exactly."""
        return len(self._later.numbers)

    def refresh(self) -> None:
        """Take up what was added to the store and removed from it since, by this process or another one."""
        self._later.refresh()
        if self.store.about.changes != self._changes:
            self._changes, self._allowed = self.store.about.changes, {}

    def find(self, query: np.ndarray, k: int, where: str | None = None) -> Ranked:
        """As `Matrix.find`, but for those that the lists do not find; every score is exact."""
        later = self._later.find(query, k, where)
        (asked,) = unit(query[None], "the query")
        rows = self._lists.nearest(asked, 2 * k + 20, self._among(where), max(self.enough.compared, 10 * k))
        numbers, vectors = self.store.vectors_of(self._numbers[rows].tolist())  # rising
        if not len(numbers):
            return later
        some = torch.from_numpy(unit(vectors, f"vectors of {self.name}"))
        columns = torch.arange(len(some))
        found = scores(torch.from_numpy(asked[None]), some, torch.zeros_like(columns), columns, "cosine").numpy()
        together, values = np.concatenate([numbers, later.numbers]), np.concatenate([found, later.scores])
        order = np.lexsort((together, -values))[:k]
        return Ranked(together[order], values[order])

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""
        return int(self._among(where).counts.sum()) + self._later.count(where)

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
        return self.store.pictures(numbers)

    def _among(self, where: str | None) -> Among:
        if where not in self._allowed:
            while len(self._allowed) >= _CONDITIONS:
                del self._allowed[next(iter(self._allowed))]
            allowed = np.isin(self._numbers, self.store.numbers(where), assume_unique=True)
            self._allowed[where] = self._lists.among(None if allowed.all() else allowed)
        return self._allowed[where]


def build_lists(store: Store) -> Approximate:
    """Build the lists of a store anew, and write them beside its file where it has one.

    Raises:
        KinsightError: it holds no pictures, cannot be written, or a vector is damaged.
    """
    numbers = store.numbers()
    if not len(numbers):
        raise KinsightError(f"{store.name} holds no pictures; add some before approximate search is prepared")
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(numbers, sample_size(len(numbers)), replace=False))
    asked = np.sort(random.choice(numbers, min(_SAMPLED, len(numbers)), replace=False))
    index = make_lists(_of(store, sample), len(numbers))
    queries = _of(store, asked)
    truth, listed = _Nearest(queries, asked), []
    for some, rows in _blocks(store, int(numbers[-1])):
        index.add(rows)
        truth.see(some, rows)
        listed.append(some)
    lists, numbers = filled(index), np.concatenate(listed)
    enough = _enough(lists, queries, asked, truth.numbers, numbers)
    if store.path is not None:
        path, token = lists_path(store.path), secrets.token_hex(16)
        sweep_parts(path)
        lists.save(path, token=token, numbers=numbers, enough=enough)
        store.describe(lists=token)  # after the file: until here the index knows the older one, or none
    return Approximate(store, lists, numbers, enough)


def open_lists(store: Store) -> Approximate:
    """The lists beside an index file.

    Raises:
        KinsightError: there are none, or they are damaged or of another index.
    """
    build = f"build them with kinsight index --out {store.name} --approximate"
    if store.path is None:
        raise KinsightError("this index was made without lists for approximate search; call its build_approximate")
    if not store.about.lists:
        raise KinsightError(f"{store.name} has no lists for approximate search; {build}")
    saved = read_lists(lists_path(store.path), dim=store.about.dim, otherwise=build)
    if saved.token != store.about.lists:
        raise KinsightError(f"{lists_path(store.path)} holds the lists of another index or of another state; {build}")
    return Approximate(store, saved.lists, saved.numbers, saved.enough)


def lists_path(path: Path) -> Path:
    """Where the lists of an index file stand."""
    return path.with_name(f"{path.name}.lists")


def _of(store: Store, numbers: np.ndarray) -> np.ndarray:
    """The vectors of pictures, of length 1."""
    return unit(store.vectors_of(numbers.tolist())[1], f"vectors of {store.name}")


def _blocks(store: Store, last: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for numbers, vectors in store.vectors():
        known = numbers <= last  # another process may add meanwhile
        if not known.any():
            return
        yield numbers[known], unit(vectors[known], f"vectors of {store.name}")


class _Nearest:
    """The pictures nearest to some of them, block by block, by float32; a picture itself does not count."""

    def __init__(self, queries: np.ndarray, own: np.ndarray) -> None:
        self._queries, self._own = torch.from_numpy(queries), torch.from_numpy(own)
        self._scores = torch.empty(len(queries), 0)
        self._numbers = torch.empty(len(queries), 0, dtype=torch.int64)

    def see(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        listed = torch.from_numpy(numbers)
        products = self._queries @ torch.from_numpy(rows).T  # (Q, n)
        products[self._own[:, None] == listed] = -torch.inf
        together = torch.cat([self._scores, products], 1)
        some = torch.cat([self._numbers, listed.expand(len(products), -1)], 1)
        self._scores, order = together.topk(min(_NEAREST, together.shape[1]), dim=1)
        self._numbers = some.gather(1, order)

    @property
    def numbers(self) -> np.ndarray:
        """(Q, at most 10), where the picture itself may fill up what is missing."""
        return self._numbers.numpy()


def _enough(
    lists: InvertedLists, queries: np.ndarray, own: np.ndarray, nearest: np.ndarray, numbers: np.ndarray
) -> Enough:
    """How many pictures must be compared so that the nearest are among those that are scored."""
    compared, everything = _FEWEST, lists.among()
    while True:
        shares = []
        for query, self_, wanted in zip(queries, own, nearest, strict=True):
            found = numbers[lists.nearest(query, 2 * _NEAREST + 20, everything, compared)]
            others = wanted[wanted != self_]
            shares.append(np.isin(others, found).mean() if len(others) else 1.0)
        recall = float(np.mean(shares))
        if recall >= RECALL or compared >= len(numbers):
            return Enough(compared, recall)
        compared *= 2
