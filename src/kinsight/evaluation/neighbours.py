"""Exact nearest neighbours in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.evaluation.exclusion import Exclusion, Groups, forbidden
from kinsight.evaluation.products import (
    Crowded,
    Products,
    Similarity,
    at_least,
    device_named,
    full_precision,
    on_device,
    precisions,
    scores,
)
from kinsight.evaluation.shortlist import Shortlist
from kinsight.evaluation.vectors import checked, unit
from kinsight.evaluation.workers import work, workers

_SIDE = 2048  # rows and columns of a block: the products and what is read from them stay in the cache
_BYTES_PER_PRODUCT = 256  # a product and, at worst, all that is noted when it passes the threshold


@dataclass(frozen=True)
class Neighbours:
    """The k nearest gallery items of each query, best first.

    Attributes:
        indices: positions in the gallery, int64 (Q, k).
        scores: the cosine, or minus the Euclidean distance, float32 (Q, k).
    """

    indices: np.ndarray
    scores: np.ndarray


def neighbours(
    queries: np.ndarray,
    gallery: np.ndarray | None = None,
    k: int = 1,
    *,
    query_rows: np.ndarray | None = None,
    gallery_rows: np.ndarray | None = None,
    exclude: Sequence[np.ndarray | Groups] = (),
    similarity: Similarity = "cosine",
    budget_mb: float = 512,
    device: str | torch.device | None = None,
) -> Neighbours:
    """The k nearest gallery items of each query, exactly, never holding the table of all scores.

    A score is computed in float64 and rounded to float32; where two are equal the lower gallery index comes first. So the answer depends
    on neither block sizes nor device. Without a gallery the queries are searched among themselves, each without itself, and every
    product is computed once for both its items.

    Args:
        queries: (Q, D).
        gallery: (G, D); None for the queries themselves.
        query_rows, gallery_rows: row numbers (Q,) and (G,) in one table of items: an item is never its own neighbour.
        exclude: groups whose members never meet, for example one of sequences: whole numbers (Q,) when there is no gallery, else a
            pair of (Q,) and (G,); negative for no group.
        similarity: "cosine" divides the vectors by their norms first; "euclidean" takes them as they are.
        budget_mb: working memory beside the vectors, one copy of them, and the answer.
        device: "cpu" or "cuda"; None takes the GPU where there is one.

    Raises:
        KinsightError: bad vectors, or fewer than k gallery items remain for a query.
    """
    if similarity not in ("cosine", "euclidean"):
        raise KinsightError(f"similarity {similarity!r} is not known; write cosine or euclidean")
    prepare = unit if similarity == "cosine" else checked
    ours = prepare(queries, "queries")
    theirs = ours if gallery is None else prepare(gallery, "the gallery")
    if ours.shape[1] != theirs.shape[1]:
        raise KinsightError(
            f"queries have {ours.shape[1]} numbers each and the gallery {theirs.shape[1]}; embed both with the same model"
        )
    groups: list[Groups] = [(group, group) if isinstance(group, np.ndarray) else group for group in exclude]
    if (query_rows is None) != (gallery_rows is None):
        raise KinsightError(
            "row numbers were given for one of queries and gallery; give query_rows and gallery_rows, or neither"
        )
    if gallery is None:
        query_rows = gallery_rows = np.arange(len(ours))
    if query_rows is not None and gallery_rows is not None:
        groups.insert(0, (query_rows, gallery_rows))
    exclusion = Exclusion(groups, len(ours), len(theirs))
    return search(
        ours,
        None if gallery is None else theirs,
        k,
        exclusion,
        similarity=similarity,
        budget_mb=budget_mb,
        device=device,
    )


def search(
    queries: np.ndarray,
    gallery: np.ndarray | None,
    k: int,
    exclusion: Exclusion,
    *,
    similarity: Similarity = "cosine",
    budget_mb: float = 512,
    device: str | torch.device | None = None,
) -> Neighbours:
    """`neighbours` of vectors that are ready: float32, of unit length for the cosine; `exclusion` says all, the items themselves too."""
    _check_k(k, exclusion)
    place = device_named(device)
    with full_precision(place):
        ours = on_device(queries, place)
        theirs = ours if gallery is None else on_device(gallery, place)
        stream = _Search(ours, theirs, k, exclusion.on(place), similarity, budget_mb)
        shortlist = stream.shortlist()
        indices, values = stream.decide(shortlist)
    return Neighbours(indices.cpu().numpy(), values.cpu().numpy())


def _check_k(k: int, exclusion: Exclusion) -> None:
    if k < 1:
        raise KinsightError(f"k is {k}; ask for at least 1 neighbour")
    remaining = exclusion.gallery - exclusion.counts()  # (Q,)
    least = int(np.argmin(remaining))
    if k > remaining[least]:
        raise KinsightError(
            f"k is {k}, larger than the gallery: of its {exclusion.gallery} items {remaining[least]} may be compared with query {least}; "
            "ask for fewer neighbours or give a larger gallery"
        )


class _Search:
    """Queries x gallery, block by block, into a shortlist of each query."""

    def __init__(
        self,
        queries: Tensor,
        gallery: Tensor,
        k: int,
        groups: list[tuple[Tensor, Tensor]],
        similarity: Similarity,
        budget_mb: float,
    ) -> None:
        self.queries, self.gallery, self.k, self.groups, self.similarity = queries, gallery, k, groups, similarity
        self.workers = workers(queries.device)
        self.side = min(max(int((budget_mb * 2**20 / self.workers / _BYTES_PER_PRODUCT) ** 0.5), 16), _SIDE)
        self.symmetric = gallery is queries

    def shortlist(self) -> Shortlist:
        """With the fastest products that can tell the neighbours apart."""
        for precision in precisions(self.similarity, self.queries.device):
            try:
                return self._run(precision)
            except Crowded:
                continue
        raise AssertionError("float64 products are scores and never crowd the list")

    def _run(self, precision: torch.dtype) -> Shortlist:
        products = Products(self.queries, self.gallery, self.similarity, precision)
        shortlist = Shortlist(len(self.queries), self.k, products)

        def note(rows: slice, columns: slice) -> None:
            block = products.block(rows, columns)  # (r, c)
            self._note(shortlist, block, rows, columns)
            if self.symmetric and rows != columns:
                self._note(shortlist, block, rows, columns, across=True)

        blocks = (
            (rows, columns)
            for rows in self._spans(len(self.queries))
            for columns in self._spans(len(self.gallery), rows.start if self.symmetric else 0)
        )
        # In this order columns ascend for every query, also where a block is read from its other side: so an item that comes later
        # never wins an exact tie, and exact ties do not crowd the shortlist. Products with a margin may come in any order.
        work(note, blocks, 1 if products.exact else self.workers)
        shortlist.settle()
        return shortlist

    def decide(self, shortlist: Shortlist) -> tuple[Tensor, Tensor]:
        """The best k of the shortlist by score, then by index. (Q, k) each"""
        rows, columns = shortlist.rows, shortlist.columns
        values = scores(self.queries, self.gallery, rows, columns, self.similarity)
        rows, columns, values = shortlist.best(rows, columns, values)
        return columns.view(-1, self.k), values.view(-1, self.k)

    def _spans(self, count: int, start: int = 0) -> list[slice]:
        return [slice(at, min(at + self.side, count)) for at in range(start, count, self.side)]

    def _note(self, shortlist: Shortlist, block: Tensor, rows: slice, columns: slice, across: bool = False) -> None:
        """What may belong to the neighbours of the rows; of the columns if `across`."""
        queries, items = (columns, rows) if across else (rows, columns)
        threshold = shortlist.threshold[queries]  # (r,)
        if torch.isinf(threshold).any():
            first = self._first_threshold(shortlist, block.T if across else block, queries, items)
            shortlist.threshold[queries] = threshold = torch.maximum(threshold, first)
        row, column, values = at_least(block, threshold[None] if across else threshold[:, None])  # (n,)
        query, item = (
            (column + columns.start, row + rows.start) if across else (row + rows.start, column + columns.start)
        )
        keep = ~forbidden(self.groups, query, item)
        shortlist.add(query[keep], item[keep], values[keep], queries.stop - queries.start)

    def _first_threshold(self, shortlist: Shortlist, block: Tensor, queries: slice, items: slice) -> Tensor:
        if block.shape[1] < self.k:
            return torch.full((len(block),), -torch.inf, device=block.device)
        rows = torch.arange(queries.start, queries.stop, device=block.device)
        columns = torch.arange(items.start, items.stop, device=block.device)
        banned = forbidden(self.groups, rows[:, None], columns).nonzero(as_tuple=True)  # few, so cheaper than a mask
        allowed = block.clone(memory_format=torch.contiguous_format)  # (r, w)
        allowed[banned] = -torch.inf
        return shortlist.bound(allowed.topk(self.k, dim=1).values[:, -1])
