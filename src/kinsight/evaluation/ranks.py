"""The rank of every positive in the whole gallery, for metrics that need more than a few neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.exclusion import Exclusion, Groups
from kinsight.evaluation.products import device_named, full_precision, on_device
from kinsight.evaluation.workers import work, workers

_COLUMNS = 4096
_MANY_TIES = 16


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

    The rank counts from 1 among the gallery items that the query may meet, by falling cosine; the lower index goes first at equal cosine,
    where the cosine is a float64 product rounded to float32.

    Args:
        queries, gallery: vectors of unit length, float32 (Q, D) and (G, D).
        labels: whole numbers (Q,) and (G,); equal numbers make a positive.
        exclusion: who never meets.
        budget_mb: working memory, of which one query needs about 16 bytes for each gallery item.

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
        bytes_each = 16 * len(gallery) + 64 * int(counts[order[min(start + 1024, len(order) - 1)]])
        stop = start + int(np.clip(budget_mb * 2**20 // bytes_each, 1, 1024))
        chosen = order[start:stop]
        start = stop
        rows, columns = positives.of(labels[0][chosen])  # (p,) each
        with full_precision(place):
            scores = _scores(here[torch.from_numpy(chosen).to(place)], there)  # (q, G)
            for ours, members in banned:
                out, gone = members.of(ours[chosen])
                scores[torch.from_numpy(out).to(place), torch.from_numpy(gone).to(place)] = -torch.inf
            yield chosen, _ranks(scores, rows, columns)


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


def _scores(queries: Tensor, gallery: Tensor) -> Tensor:
    ours = queries.double()  # (q, D)
    out = torch.empty(len(ours), len(gallery), device=ours.device)
    for start in range(0, len(gallery), _COLUMNS):
        out[:, start : start + _COLUMNS] = ours @ gallery[start : start + _COLUMNS].double().T
    return out


def _ranks(scores: Tensor, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The ranks of the pairs (row, column), row by row; an item at minus infinity has none. (q, R)"""
    where = torch.from_numpy(rows).to(scores.device), torch.from_numpy(columns).to(scores.device)
    values = scores[where]  # (p,)
    allowed = ~torch.isinf(values)
    rows, columns = rows[allowed.cpu().numpy()], columns[allowed.cpu().numpy()]
    counts = np.bincount(rows, minlength=len(scores))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = torch.full((len(scores), max(int(counts.max()), 1)), torch.inf, device=scores.device)  # (q, R)
    into = torch.from_numpy(rows).to(scores.device), torch.from_numpy(place).to(scores.device)
    table[into] = values[allowed]
    rising = _sorted(scores)  # (q, G)
    above = scores.shape[1] - torch.searchsorted(rising, table, right=True)
    level = scores.shape[1] - torch.searchsorted(rising, table) - above  # those with this very score, itself included
    ranks = torch.zeros_like(above)
    ranks[into] = above[into] + 1
    out: np.ndarray = ranks.cpu().numpy()
    tied = np.nonzero((level[into] > 1).cpu().numpy())[0]
    for row in np.unique(rows[tied]):
        ours = tied[rows[tied] == row]
        line = scores[row].cpu().numpy()
        if len(ours) < _MANY_TIES:
            for pair in ours:
                out[row, place[pair]] += np.count_nonzero(line[: columns[pair]] == line[columns[pair]])
        else:
            rank = np.empty(len(line), np.int64)
            rank[np.argsort(-line, kind="stable")] = np.arange(1, len(line) + 1)
            out[row, place[ours]] = rank[columns[ours]]
    return out


def _sorted(scores: Tensor) -> Tensor:
    if scores.device.type != "cpu":
        return scores.sort(dim=1).values
    out = scores.numpy().copy()  # numpy sorts many times faster here than torch, which keeps the order as well
    count = workers(scores.device)
    work(lambda part: part.sort(axis=1), [(part,) for part in np.array_split(out, count)], count)
    return torch.from_numpy(out)
