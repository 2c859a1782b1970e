"""Every metric of a ranking, defined once, one value per query; averages come last.

`relevant (Q, k)` says of each of the first k neighbours, best first, whether it has the query's label; the query itself and excluded
items are not among them. `positives (Q,)` counts all gallery items of that label, so R of the literature. A query without positives
has no value: leave it out before.

The definitions are those of Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020), section 3.2 and its supplement;
`map_hits` and `map_n` are other quantities that were published under similar names.
"""

from __future__ import annotations

import numpy as np

from kinsight.errors import KinsightError


def recall_at_k(relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where any of the first k neighbours is relevant, else 0: R@k of metric learning, CMC@k of re-identification. (Q,)"""
    return np.asarray(_first(relevant, k).any(axis=1), np.float64)


def precision_at_k(relevant: np.ndarray, k: int) -> np.ndarray:
    """The share of relevant items among the first k neighbours. (Q,)"""
    return _first(relevant, k).sum(axis=1) / k


def r_precision(relevant: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The share of relevant items among the first R neighbours, R the number of positives. (Q,)"""
    return _first_r(relevant, positives).sum(axis=1) / positives


def average_precision_at_r(relevant: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """MAP@R before the mean: the precisions at the hits among the first R neighbours, summed and divided by R. (Q,)"""
    return _summed_precision(_first_r(relevant, positives)) / positives


def map_hits(relevant: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """As `average_precision_at_r`, divided by the number of hits among the first R instead of R; 0 without a hit. (Q,)

    What the tables of "Improving Deep Metric Learning by Divide and Conquer" (TPAMI 2021) print as mARP, by its authors' code. It
    forgives every positive that was not found, so it lies near R@1; never compare it with MAP@R.
    """
    hits = _first_r(relevant, positives)
    return _summed_precision(hits) / np.maximum(hits.sum(axis=1), 1)


def map_n(relevant: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The precisions at the hits among the first n = R + 1 neighbours, summed and divided by n. (Q,)

    What the tables of "Towards Improved and Interpretable Deep Metric Learning via Attentive Grouping" print as mAP, by its authors'
    code: n is the size of the class with the query, of which only n - 1 can be found, so perfect retrieval reaches (n - 1) / n.
    """
    size = np.asarray(positives) + 1
    return _summed_precision(_first_r(relevant, size)) / size


def average_precision(relevant: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The precisions at the hits among all k neighbours, summed and divided by R; mAP before the mean if k is the gallery. (Q,)"""
    return _summed_precision(np.asarray(relevant, bool)) / positives


def reciprocal_rank(relevant: np.ndarray) -> np.ndarray:
    """1 / rank of the first relevant neighbour; 0 if none of the k is relevant. (Q,)"""
    relevant = np.asarray(relevant, bool)
    return relevant.any(axis=1) / (relevant.argmax(axis=1) + 1.0)


def average_precision_of_ranks(ranks: np.ndarray) -> np.ndarray:
    """`average_precision` over the whole gallery, from the ranks of all positives: from 1, in any order, 0 fills up. (Q, R) -> (Q,)"""
    filled = np.sort(np.where(ranks > 0, ranks, np.iinfo(np.int64).max), axis=1)
    return (np.arange(1, ranks.shape[1] + 1) / filled * (filled < np.iinfo(np.int64).max)).sum(axis=1) / (
        ranks > 0
    ).sum(axis=1)


def reciprocal_rank_of_ranks(ranks: np.ndarray) -> np.ndarray:
    """`reciprocal_rank` over the whole gallery, from the ranks of all positives. (Q, R) -> (Q,)"""
    return 1 / np.where(ranks > 0, ranks, np.iinfo(np.int64).max).min(axis=1)


def relevance_of_ranks(ranks: np.ndarray, k: int) -> np.ndarray:
    """Which of the first k neighbours are relevant, from the ranks of all positives. (Q, R) -> (Q, k)"""
    relevant = np.zeros((len(ranks), k), bool)
    queries, places = np.nonzero((ranks > 0) & (ranks <= k))
    relevant[queries, ranks[queries, places] - 1] = True
    return relevant


def _first(relevant: np.ndarray, k: int) -> np.ndarray:
    relevant = np.asarray(relevant, bool)
    if not 1 <= k <= relevant.shape[1]:
        raise KinsightError(
            f"k is {k} but {relevant.shape[1]} neighbours are known; search for more neighbours or ask for a smaller k"
        )
    return relevant[:, :k]


def _first_r(relevant: np.ndarray, counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.min(initial=1) < 1:
        raise KinsightError(f"query {int(np.argmin(counts))} has no positives and so no value; leave such queries out")
    most = int(counts.max(initial=1))
    return _first(relevant, most) & (np.arange(most) < counts[:, None])


def _summed_precision(hits: np.ndarray) -> np.ndarray:
    found = np.cumsum(hits, axis=1, dtype=np.int32)  # (Q, k)
    return (hits * (found / np.arange(1, hits.shape[1] + 1))).sum(axis=1)
