"""The vectors of an index in memory, searched exactly: every picture is compared, and the answer is that of float64.

One product of the matrix with a query in float32 says what may belong to the nearest, within a known error; those few are scored in
float64. So the answer is that of `kinsight.evaluation.neighbours`, whatever the number of threads and the processor.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import Neighbours
from kinsight.evaluation.products import scores
from kinsight.evaluation.vectors import unit
from kinsight.evaluation.workers import work, workers
from kinsight.retrieval.searched import Ranked
from kinsight.retrieval.store import Known, Store

_GATHERED = 0.2  # of the pictures: where fewer are allowed, only their rows are multiplied
_BLOCK = 1 << 15  # rows that one thread multiplies at a time
_GATHERED_BLOCK = 1 << 11  # where they are gathered: the copy stays in the cache
_CONDITIONS = 16  # conditions whose pictures are kept in mind


class Matrix:
    """The vectors of a store, kept in step with it.

    Args:
        store: the index.
        after: of the pictures with higher numbers alone.

    Attributes:
        numbers: (N,) int64, rising: which picture each row is of.
        rows: (N, D) float32, of length 1.
    """

    exact = True

    def __init__(self, store: Store, *, after: int = 0) -> None:
        self.store, self.name, self._after = store, store.name, after
        self.numbers = np.empty(0, np.int64)
        self.rows = torch.empty(0, store.about.dim)
        self._changes = -1
        self._allowed: dict[str, np.ndarray] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take up what was added to the store and removed from it since, by this process or another one."""
        self.store.refresh()
        if self.store.about.changes == self._changes:
            return
        changes = self.store.about.changes
        numbers = self._numbers()
        kept = np.isin(self.numbers, numbers, assume_unique=True)
        last = int(self.numbers[-1]) if len(self.numbers) else self._after
        fresh = numbers[numbers > last]
        rows = torch.empty(int(kept.sum()) + len(fresh), self.store.about.dim)
        rows[: int(kept.sum())] = self.rows if kept.all() else self.rows[torch.from_numpy(kept)]
        filled, known = int(kept.sum()), [self.numbers[kept]]
        for some, vectors in self.store.vectors(after=last):
            some, vectors = (
                some[: len(rows) - filled],
                vectors[: len(rows) - filled],
            )  # another process may add meanwhile
            if not len(some):
                break
            rows[filled : filled + len(some)] = torch.from_numpy(unit(vectors, f"vectors of {self.store.name}"))
            filled += len(some)
            known.append(some)
        self.numbers, self.rows, self._allowed = np.concatenate(known), rows[:filled], {}
        self._changes = changes

    def __len__(self) -> int:
        return len(self.numbers)

    def find(self, query: np.ndarray, k: int, where: str | None = None) -> Ranked:
        """The k pictures that are nearest to a query (D,), as `nearest` has them, among those that meet a condition."""
        found = self.nearest(query, k, rows=None if where is None else self.allowed(where))
        return Ranked(self.numbers[found.indices], found.scores)

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""
        return len(self) if where is None else len(self.allowed(where))

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
        return self.store.pictures(numbers)

    def allowed(self, where: str) -> np.ndarray:
        """The rows of the pictures that meet a condition, rising. int64 (n,)"""
        if where not in self._allowed:
            while len(self._allowed) >= _CONDITIONS:
                del self._allowed[next(iter(self._allowed))]
            self._allowed[where] = np.flatnonzero(np.isin(self.numbers, self._numbers(where), assume_unique=True))
        return self._allowed[where]

    def _numbers(self, where: str | None = None) -> np.ndarray:
        numbers = self.store.numbers(where)
        return numbers[numbers > self._after] if self._after else numbers

    def nearest(self, query: np.ndarray, k: int, *, rows: np.ndarray | None = None) -> Neighbours:
        """The k nearest rows by cosine, exactly, best first; of equal ones the one that was added first. Fewer where there are fewer.

        Args:
            query: (D,).
            k: how many.
            rows: those that may be found, rising; None: all.

        Returns:
            Rows of the matrix as `indices` (k,), and their `scores` (k,).

        Raises:
            KinsightError: the query is of another length, zero or not finite.
        """
        if query.shape != (self.rows.shape[1],):
            raise KinsightError(
                f"the query has the shape {query.shape}; this index holds vectors of {self.rows.shape[1]} numbers"
            )
        asked = torch.from_numpy(unit(query[None], "the query"))  # (1, D)
        few = rows is not None and len(rows) < _GATHERED * len(self.rows)
        which = None if rows is None else torch.from_numpy(rows)
        products = _products(self.rows, asked[0], which if few else None)
        if which is not None and not few:
            products = products[which]
        k = min(k, len(products))
        if k == 0:
            return Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))
        # |computed - true| <= n u / (1 - n u) |q| |g| for a sum of n terms in any order (Higham, "Accuracy and Stability", 3.1).
        terms = (len(query) + 8) * torch.finfo(torch.float32).eps / 2
        least = products.topk(k).values[-1] - 2 * 1.01 * terms / (1 - terms)
        found = (products >= least).nonzero().flatten()  # rising
        columns = found if which is None else which[found]
        exact = scores(asked, self.rows, torch.zeros_like(columns), columns, "cosine")
        order = torch.argsort(exact, descending=True, stable=True)[:k]
        return Neighbours(columns[order].numpy(), exact[order].numpy())


def _products(rows: torch.Tensor, query: torch.Tensor, which: torch.Tensor | None = None) -> torch.Tensor:
    """(n, D) and (D,) -> (n,), block by block: no thread waits for another one, which other programs may hold up.

    Args:
        which: rows (n,) that are multiplied; None: all.
    """
    out = torch.empty(len(rows) if which is None else len(which))
    block = _BLOCK if which is None else _GATHERED_BLOCK

    def fill(start: int) -> None:
        step = slice(start, start + block)
        torch.mv(rows[step] if which is None else rows.index_select(0, which[step]), query, out=out[step])

    work(fill, [(start,) for start in range(0, len(out), block)], workers(rows.device))
    return out
