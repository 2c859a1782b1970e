"""From vectors and labels to flat numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from kinsight.errors import KinsightError
from kinsight.evaluation import ranking
from kinsight.evaluation.clustering import clustering as cluster_scores
from kinsight.evaluation.diagnosis import HUBNESS_K
from kinsight.evaluation.diagnosis import diagnosis as diagnose
from kinsight.evaluation.neighbours import Neighbours, search
from kinsight.evaluation.protocol import protocol
from kinsight.evaluation.query_gallery import Column, QueryGallery, read_query_gallery
from kinsight.evaluation.ranks import positive_ranks
from kinsight.evaluation.statistics import bootstrap
from kinsight.evaluation.vectors import unit
from kinsight.typed import to_plain

USUAL = (1, 2, 4, 8)  # the k of R@k
SHOWN = 8  # neighbours kept for sheets of queries
_FEW = 128  # up to so many positives a query, the ranking metrics are read from its nearest neighbours


class _Ks(NamedTuple):
    """The k of R@k by what they are called, and those of P@k."""

    recall: dict[str, int]
    precision: tuple[int, ...]

    @property
    def largest(self) -> int:
        return max(*self.recall.values(), *self.precision)


class Evaluation(dict[str, float]):
    """The numbers of an evaluation under fixed names, fractions not percent; `metrics.describe` defines each. Ready for JSON.

    Attributes:
        query_rows: rows of the evaluated queries, those with a positive (Q,).
        per_query: each ranking metric's value of every evaluated query (Q,), or None when not asked for.
        neighbours: the nearest gallery items of each evaluated query, up to 8; indices are rows of the vectors.
        protocol: everything that moves a number.
        ids, labels: what each row of the vectors is called, and its class (N,), where whoever evaluates says so.
        name: what it is called among the evaluations of a run; empty where it is of none.
        others: further models measured on the same pictures, by name, where they were asked for.
    """

    query_rows: np.ndarray
    per_query: dict[str, np.ndarray] | None
    neighbours: Neighbours
    protocol: dict[str, Any]
    ids: np.ndarray
    labels: np.ndarray
    name: str = ""
    others: Mapping[str, Evaluation] = MappingProxyType({})


def evaluate(
    vectors: np.ndarray,
    labels: Column,
    *,
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
    cameras: Column | None = None,
    sequences: Column | None = None,
    ks: Sequence[int] = USUAL,
    precision_ks: Sequence[int] = (1,),
    percents: Sequence[int] = (),
    clustering: bool = True,
    diagnosis: bool = True,
    intervals: bool = True,
    whole_gallery: bool = True,
    per_query: bool = False,
    seed: int = 0,
    device: str | torch.device | None = None,
    budget_mb: float = 512,
) -> Evaluation:
    """Measure how well the embeddings retrieve and separate classes.

    Every query is compared with the gallery by the cosine; it never finds itself (by row, so a duplicate of it can be found).

    Args:
        vectors: embeddings (N, D); they need not have unit length.
        labels: classes (N,), numbers or text.
        queries, gallery: masks (N,) of those that search and those that are found; an item may be both; None for all.
        cameras: a query does not meet items of its own label and camera, as in re-identification; None or NaN in it for no camera.
        sequences: a query does not meet items of its own sequence, whatever their label; None or NaN in it for no sequence.
        ks: the k of R@k; of the usual ones those that the gallery can fill.
        precision_ks: the k of P@k.
        percents: the k of R@k %: among the first k % of the gallery, rounded up.
        clustering: NMI, AMI and F1 of k-means with as many clusters as classes: 3 starts of 20 iterations, by far the longest part for
            many classes (each iteration costs N x classes x D).
        diagnosis: effective dimensionality, spectrum, distances, hubness.
        intervals: 95 % intervals of the ranking metrics, as `<name>_low` and `<name>_high`.
        whole_gallery: mAP and MRR, which need the rank of every positive in the whole gallery.
        per_query: keep the values of every query.
        seed: of clustering and intervals.
        device: "cpu" or "cuda"; None takes the GPU where there is one.
        budget_mb: working memory of the search.

    Raises:
        KinsightError: shapes that differ, vectors that are not finite or zero, missing labels, no query with a positive, or a k larger
            than the gallery.
    """
    vectors = unit(vectors)  # (N, D)
    searched = read_query_gallery(len(vectors), labels, queries, gallery, cameras, sequences)
    ks = _checked_ks(ks, searched)
    shares = {f"{percent}_percent": ceil(percent * len(searched.gallery) / 100) for percent in percents}
    wanted_ks = _Ks({**{str(k): k for k in ks}, **shares}, _checked_ks(precision_ks, searched))
    most = int(searched.positives.max())
    few = most <= _FEW
    wanted = max(wanted_ks.largest, SHOWN, HUBNESS_K, most + 1 if few else 0)
    nearest = _nearest(vectors, searched, min(wanted, int(searched.remaining.min())), budget_mb, device)
    if few and not whole_gallery:
        values = _from_neighbours(nearest, searched, wanted_ks)
    else:
        values = _from_ranks(vectors, searched, wanted_ks, whole_gallery, budget_mb, device)

    out = Evaluation({name: float(value.mean()) for name, value in values.items()})
    if intervals:
        low, high = bootstrap(np.stack(list(values.values()), axis=1), searched.labels[searched.queries], seed=seed)
        for name, lower, upper in zip(values, low.tolist(), high.tolist(), strict=True):
            out[f"{name}_low"], out[f"{name}_high"] = lower, upper
    measured = searched.involved
    if clustering:
        out.update(cluster_scores(_taken(vectors, measured), searched.labels[measured], seed=seed))
    if diagnosis:
        found = nearest.indices[:, :HUBNESS_K]
        out.update(diagnose(_taken(vectors, measured), searched.labels[measured], found, len(searched.gallery)))
    out.update(
        queries=len(searched.queries),
        gallery=len(searched.gallery),
        classes=searched.classes,
        skipped_queries=searched.skipped,
    )
    out.query_rows = searched.queries
    out.per_query = values if per_query else None
    out.neighbours = Neighbours(searched.gallery[nearest.indices[:, :SHOWN]], nearest.scores[:, :SHOWN])
    made = protocol(
        searched,
        ks=ks,
        dimension=vectors.shape[1],
        clusters=clustering,
        intervals=intervals,
        whole=whole_gallery,
        seed=seed,
    )
    out.protocol = to_plain(made)
    return out


def _checked_ks(ks: Sequence[int], searched: QueryGallery) -> tuple[int, ...]:
    ks = tuple(sorted({int(k) for k in ks}))
    least = int(np.argmin(searched.remaining))
    if ks == USUAL:  # nobody asked for the 8th neighbour of few pictures
        ks = tuple(k for k in ks if k <= searched.remaining[least])
    if not ks or ks[0] < 1:
        raise KinsightError(f"ks is {ks}; give at least one k, each at least 1")
    if ks[-1] > searched.remaining[least]:
        raise KinsightError(
            f"k {ks[-1]} is larger than the gallery: of its {len(searched.gallery)} items {searched.remaining[least]} may be compared with "
            f"the query in row {searched.queries[least]}; give smaller ks or a larger gallery"
        )
    return ks


def _nearest(
    vectors: np.ndarray, searched: QueryGallery, k: int, budget_mb: float, device: str | torch.device | None
) -> Neighbours:
    """Of the evaluated queries, as positions in the gallery. (Q, k)"""
    inside = np.isin(searched.queries, searched.gallery).all()
    if inside and 2 * len(searched.queries) > len(searched.gallery):
        # Searching the gallery in itself costs half, and gives the few that are no queries as well.
        exclusion = searched.exclusion(searched.gallery)
        if k <= len(searched.gallery) - exclusion.counts().max():
            found = search(_taken(vectors, searched.gallery), None, k, exclusion, budget_mb=budget_mb, device=device)
            places = np.searchsorted(searched.gallery, searched.queries)
            return Neighbours(found.indices[places], found.scores[places])
    exclusion = searched.exclusion(searched.queries)
    return search(
        _taken(vectors, searched.queries),
        _taken(vectors, searched.gallery),
        k,
        exclusion,
        budget_mb=budget_mb,
        device=device,
    )


def _from_neighbours(nearest: Neighbours, searched: QueryGallery, ks: _Ks) -> dict[str, np.ndarray]:
    ours, theirs = searched.label_groups()
    relevant = theirs[nearest.indices] == ours[:, None]  # (Q, k)
    return _values(_widened(relevant, int(searched.positives.max()) + 1), searched.positives, ks)


def _from_ranks(
    vectors: np.ndarray,
    searched: QueryGallery,
    ks: _Ks,
    whole_gallery: bool,
    budget_mb: float,
    device: str | torch.device | None,
) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    chunks = positive_ranks(
        _taken(vectors, searched.queries),
        _taken(vectors, searched.gallery),
        searched.label_groups(),
        searched.exclusion(searched.queries),
        budget_mb=budget_mb,
        device=device,
    )
    for chosen, ranks in chunks:
        positives = searched.positives[chosen]
        relevant = ranking.relevance_of_ranks(ranks, max(ks.largest, int(positives.max()) + 1))  # (q, k)
        values = _values(relevant, positives, ks)
        if whole_gallery:
            values["map"] = ranking.average_precision_of_ranks(ranks)
            values["mrr"] = ranking.reciprocal_rank_of_ranks(ranks)
        for name, value in values.items():
            out.setdefault(name, np.empty(len(searched.queries)))[chosen] = value
    return out


def _values(relevant: np.ndarray, positives: np.ndarray, ks: _Ks) -> dict[str, np.ndarray]:
    return {
        **{f"recall_at_{name}": ranking.recall_at_k(relevant, k) for name, k in ks.recall.items()},
        **{f"precision_at_{k}": ranking.precision_at_k(relevant, k) for k in ks.precision},
        "r_precision": ranking.r_precision(relevant, positives),
        "map_at_r": ranking.average_precision_at_r(relevant, positives),
        "map_hits": ranking.map_hits(relevant, positives),
        "map_n": ranking.map_n(relevant, positives),
    }


def _taken(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows, ascending and each at most once; all of them need no copy."""
    return vectors if len(rows) == len(vectors) else vectors[rows]


def _widened(relevant: np.ndarray, width: int) -> np.ndarray:
    """Where the gallery ends before R + 1 neighbours nothing more can be relevant."""
    return np.pad(relevant, ((0, 0), (0, max(width - relevant.shape[1], 0))))
