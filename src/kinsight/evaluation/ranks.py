"""The rank of every positive in the whole gallery, for metrics that need more than a few neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.ahead import Sought, ahead_by_products, ahead_by_scores
from kinsight.evaluation.exclusion import Exclusion, Groups
from kinsight.evaluation.products import Crowded, Products, device_named, full_precision, on_device, precisions
from kinsight.evaluation.workers import workers

_QUERIES = 1024  # at most so many at a time; `ahead` takes no more
_FEWEST = 64  # fewer queries at a time would waste the conversion of the gallery, if memory allows more
_ENTRIES = 1 << 20  # of a block: more leave the cache
_COLUMNS = 1024  # gallery items of a block, more where a query has many positives
_BYTES = 64  # of one entry of a block: its score and key, and what leads to them

Pairs = tuple[np.ndarray, np.ndarray]


def positive_ranks(
    queries: np.ndarray,
    gallery: np.ndarray,
    labels: Groups,
    exclusion: Exclusion,
    *,
    budget_mb: float = 512,
    device: str | torch.device | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some queries and the ranks of their positives at a time, until every query came once.

    The rank counts from 1 among the gallery items that the query may meet, by falling cosine (a float64 product rounded to float32),
    the lower index first at equal cosine.

    Args:
        queries, gallery: vectors of unit length, float32 (Q, D) and (G, D).
        labels: whole numbers (Q,) and (G,); equal numbers make a positive.
        exclusion: who never meets.
        budget_mb: working memory beside the ranks of the queries at hand.

    Yields:
        query numbers (q,), their positives' ranks (q, R) with 0 to fill up; R the most positives among these queries.
    """
    place = device_named(device)
    positives = _Members(labels[1])
    banned = [(ours, _Members(theirs)) for ours, theirs in exclusion.groups]
    counts = positives.counts(labels[0])
    order = np.lexsort((labels[0], counts))  # class by class, those of like size together: little to fill up
    ahead = _Ahead(on_device(queries[order], place), on_device(gallery, place))
    start = 0
    while start < len(order):
        most = int(counts[order[min(start + _QUERIES, len(order)) - 1]])
        # Each block searches all positives, so there must not be many more blocks than positives are dense.
        width = min(max(_COLUMNS, 16 * most), len(gallery))
        afforded = budget_mb * 2**20 // (_BYTES * width * workers(place))
        stop = start + int(np.clip(afforded, 1, min(max(_ENTRIES // width, _FEWEST), _QUERIES)))
        chosen, rows = order[start:stop], slice(start, min(stop, len(order)))
        start = stop
        never = _all_pairs(banned, chosen, len(gallery))
        with full_precision(place):
            ours, members = positives.of(labels[0][chosen])
            may = ~np.isin(ours * len(gallery) + members, never[0] * len(gallery) + never[1])
            sought = Sought.of(
                ahead.queries[rows], ahead.gallery, _tensors((ours[may], members[may]), place), _tensors(never, place)
            )
            ranks = torch.where(sought.columns < 0, 0, ahead(sought, rows, width) + 1).cpu().numpy()
        yield chosen, ranks


class _Ahead:
    """Counts with the fastest products that can tell the gallery items apart.

    Once they cannot they are not tried again: what follows has as many positives, or more.
    """

    def __init__(self, queries: Tensor, gallery: Tensor) -> None:
        self.queries, self.gallery = queries, gallery
        self._precisions = precisions("cosine", queries.device)
        self._products = Products(queries, gallery, "cosine", self._precisions[0])

    def __call__(self, sought: Sought, rows: slice, width: int) -> Tensor:
        while self._precisions[0] != torch.float64:
            try:
                return ahead_by_products(sought, self._products, rows, width)
            except Crowded:
                self._precisions.pop(0)
                self._products = Products(self.queries, self.gallery, "cosine", self._precisions[0])
        return ahead_by_scores(sought, width)


class _Members:
    """Who has which number."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._order = np.argsort(numbers, kind="stable")
        self._sorted = numbers[self._order]

    def counts(self, numbers: np.ndarray) -> np.ndarray:
        counts = np.searchsorted(self._sorted, numbers, "right") - np.searchsorted(self._sorted, numbers, "left")
        return np.where(numbers >= 0, counts, 0)

    def of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All pairs (place in `numbers`, member of that number), ascending."""
        counts = self.counts(numbers)
        rows = np.repeat(np.arange(len(numbers)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self._order[np.searchsorted(self._sorted, numbers, "left")[rows] + within]


def _all_pairs(banned: list[tuple[np.ndarray, _Members]], chosen: np.ndarray, gallery: int) -> Pairs:
    """Each pair (place in `chosen`, gallery item) once."""
    found = [members.of(ours[chosen]) for ours, members in banned]
    pairs = np.unique(np.concatenate([np.empty(0, np.int64), *(rows * gallery + columns for rows, columns in found)]))
    return pairs // gallery, pairs % gallery


def _tensors(pairs: Pairs, place: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pairs[0]).to(place), torch.from_numpy(pairs[1]).to(place)
