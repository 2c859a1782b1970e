"""The rank of every positive in the whole gallery, for metrics that need more than a few neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.exclusion import Exclusion, Groups
from kinsight.evaluation.products import device_named, full_precision, on_device, scores
from kinsight.evaluation.workers import work, workers

_QUERIES = 1024  # at most so many at a time
_COLUMNS = 4096  # gallery items of a block, more where a query has many positives
_BYTES = 24  # of one entry of a block: float64, float32, and sorted
_MANY_TIES = 16

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
    here, there = on_device(queries, place), on_device(gallery, place)
    positives = _Members(labels[1])
    banned = [(ours, _Members(theirs)) for ours, theirs in exclusion.groups]
    counts = positives.counts(labels[0])
    order = np.argsort(counts, kind="stable")  # classes of like size together: little to fill up
    start = 0
    while start < len(order):
        most = int(counts[order[min(start + _QUERIES, len(order)) - 1]])
        # Each block searches all positives, so there must not be many more blocks than positives are dense.
        width = min(max(_COLUMNS, 4 * most), len(gallery))
        stop = start + int(np.clip(budget_mb * 2**20 // (_BYTES * width * workers(place)), 1, _QUERIES))
        chosen = order[start:stop]
        start = stop
        never = _all_pairs(banned, chosen)
        wanted = positives.of(labels[0][chosen])
        may = ~np.isin(wanted[0] * len(gallery) + wanted[1], never[0] * len(gallery) + never[1])
        with full_precision(place):
            ours = here[torch.from_numpy(chosen).to(place)]
            yield chosen, _ranks(ours, there, (wanted[0][may], wanted[1][may]), never, width)


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


def _all_pairs(banned: list[tuple[np.ndarray, _Members]], chosen: np.ndarray) -> Pairs:
    found = [members.of(ours[chosen]) for ours, members in banned]
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *(rows for rows, _ in found)]), np.concatenate(
        [empty, *(columns for _, columns in found)]
    )


def _ranks(queries: Tensor, gallery: Tensor, wanted: Pairs, never: Pairs, width: int) -> np.ndarray:
    """The ranks of the wanted pairs (query, gallery item), sorted by query. (q, R)"""
    place = queries.device
    rows, columns = (torch.from_numpy(part).to(place) for part in wanted)  # (p,)
    never_rows, never_columns = (torch.from_numpy(part).to(place) for part in never)
    values = scores(queries, gallery, rows, columns, "cosine")  # (p,)
    counts = np.bincount(wanted[0], minlength=len(queries))
    within = torch.from_numpy(np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)).to(place)
    sought = torch.full((len(queries), max(int(counts.max()), 1)), torch.inf, device=place)  # (q, R)
    sought[rows, within] = values
    where = torch.full(sought.shape, -1, device=place)
    where[rows, within] = columns
    ahead = torch.zeros_like(where)
    lock, ours = Lock(), queries.double()

    def count(start: int) -> None:
        theirs = gallery[start : start + width].double()
        end = start + len(theirs)
        block = (ours @ theirs.T).float()  # (q, w)
        inside = (columns >= start) & (columns < end)
        # The very score that is sought, so that an item always finds itself level with itself.
        block[rows[inside], columns[inside] - start] = values[inside]
        gone = (never_columns >= start) & (never_columns < end)
        block[never_rows[gone], never_columns[gone] - start] = -torch.inf
        rising = _sorted(block)
        above = len(theirs) - torch.searchsorted(rising, sought, right=True)  # (q, R)
        level = len(theirs) - torch.searchsorted(rising, sought) - above
        above += torch.where(where >= end, level, 0)  # all of this block goes before a later item of equal score
        tied = (where >= start) & (where < end) & (level > 1)
        for row in torch.nonzero(tied.any(dim=1))[:, 0].tolist():
            these = tied[row]
            above[row, these] += _level_before(block[row].cpu().numpy(), (where[row, these] - start).cpu().numpy()).to(
                place
            )
        with lock:
            ahead.add_(above)

    work(count, [(start,) for start in range(0, len(gallery), width)], workers(place))
    ranks: np.ndarray = torch.where(where >= 0, ahead + 1, 0).cpu().numpy()
    return ranks


def _level_before(line: np.ndarray, columns: np.ndarray) -> Tensor:
    """For each of the columns, how many lower columns hold the same value."""
    if len(columns) < _MANY_TIES:
        return torch.tensor([np.count_nonzero(line[:column] == line[column]) for column in columns.tolist()])
    order = np.argsort(-line, kind="stable")
    place = np.empty(len(line), np.int64)
    place[order] = np.arange(len(line))
    first = np.searchsorted(-line[order], -line[columns])
    return torch.from_numpy(place[columns] - first)


def _sorted(block: Tensor) -> Tensor:
    if block.device.type == "cpu":  # numpy sorts many times faster here than torch, which keeps the order as well
        return torch.from_numpy(np.sort(block.numpy(), axis=1))
    return block.sort(dim=1).values
