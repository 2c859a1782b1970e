"""The rank of every positive in the whole gallery, for metrics that need more than a few neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.exclusion import Exclusion, Groups
from kinsight.evaluation.products import ascending_bits, device_named, full_precision, on_device
from kinsight.evaluation.workers import work, workers

_QUERIES = 1024  # at most so many at a time
_FEWEST = 64  # fewer queries at a time would waste the conversion of the gallery, if memory allows more
_ENTRIES = 1 << 20  # of a block: more leave the cache
_COLUMNS = 1024  # gallery items of a block, more where a query has many positives
_BYTES = 64  # of one entry of a block: its score and key, and what leads to them
_NOTHING = torch.iinfo(torch.int64).max  # behind every key

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
    order = np.lexsort((labels[0], counts))  # class by class, those of like size together: little to fill up
    start = 0
    while start < len(order):
        most = int(counts[order[min(start + _QUERIES, len(order)) - 1]])
        # Each block searches all positives, so there must not be many more blocks than positives are dense.
        width = min(max(_COLUMNS, 4 * most), len(gallery))
        afforded = budget_mb * 2**20 // (_BYTES * width * workers(place))
        stop = start + int(np.clip(afforded, 1, min(max(_ENTRIES // width, _FEWEST), _QUERIES)))
        chosen = order[start:stop]
        start = stop
        never = _all_pairs(banned, chosen)
        with full_precision(place):
            ours = here[torch.from_numpy(chosen).to(place)].double()
            wanted = positives.of(labels[0][chosen])
            values = _class_scores(ours, there, labels[0][chosen], positives)
            may = ~np.isin(wanted[0] * len(gallery) + wanted[1], never[0] * len(gallery) + never[1])
            wanted, values = (wanted[0][may], wanted[1][may]), values[torch.from_numpy(may).to(place)]
            ranks = _ranks(ours, there, wanted, values, never, width)
        yield chosen, ranks


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


def _class_scores(queries: Tensor, gallery: Tensor, labels: np.ndarray, positives: _Members) -> Tensor:
    """The cosines of all pairs of a query and a positive, by query; queries of one class follow each other. (p,)"""
    ends = np.append(np.nonzero(np.diff(labels))[0] + 1, len(labels)).tolist()
    out = []
    for start, end in pairwise([0, *ends]):
        members = positives.of(labels[start : start + 1])[1]
        theirs = gallery[torch.from_numpy(members).to(gallery.device)].double()  # (R, D)
        out.append((queries[start:end] @ theirs.T).float().flatten())
    return torch.cat(out)


def _ranks(queries: Tensor, gallery: Tensor, wanted: Pairs, values: Tensor, never: Pairs, width: int) -> np.ndarray:
    """The ranks of the wanted pairs (query, gallery item), sorted by query and of known scores. float64 queries -> (q, R)"""
    place = queries.device
    rows, columns = (torch.from_numpy(part).to(place) for part in wanted)  # (p,)
    never_rows, never_columns = (torch.from_numpy(part).to(place) for part in never)
    counts = np.bincount(wanted[0], minlength=len(queries))
    within = torch.from_numpy(np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)).to(place)
    sought = torch.full((len(queries), max(int(counts.max()), 1)), _NOTHING, device=place)  # (q, R)
    sought[rows, within] = _keys(values, columns)
    sought = _sorted(sought)  # so that a search for them walks through the memory
    ahead = torch.zeros_like(sought)
    lock = Lock()

    def count(start: int) -> None:
        theirs = gallery[start : start + width].double()
        end = start + len(theirs)
        block = (queries @ theirs.T).float()  # (q, w)
        inside = (columns >= start) & (columns < end)
        # The very score that is sought, so that an item always finds itself.
        block[rows[inside], columns[inside] - start] = values[inside]
        gone = (never_columns >= start) & (never_columns < end)
        block[never_rows[gone], never_columns[gone] - start] = -torch.inf
        keys = _sorted(_keys(block, torch.arange(start, end, device=place)))
        found = torch.searchsorted(keys, sought)  # (q, R)
        with lock:
            ahead.add_(found)

    work(count, [(start,) for start in range(0, len(gallery), width)], workers(place))
    ranks: np.ndarray = torch.where(sought < _NOTHING, ahead + 1, 0).cpu().numpy()
    return ranks


def _keys(scores: Tensor, columns: Tensor) -> Tensor:
    """int64 that rise as the ranking goes: by falling score, then by rising column."""
    return ascending_bits(scores).long().mul_(-(1 << 32)).add_(columns)


def _sorted(keys: Tensor) -> Tensor:
    """Each row, in place where numpy can."""
    if keys.device.type == "cpu":  # many times faster than torch, which keeps the order as well
        keys.numpy().sort(axis=1)
        return keys
    return keys.sort(dim=1).values
