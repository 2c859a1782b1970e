"""With which picture each query is explained; the papers do not say, so there are several rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours

BEST, ITSELF, RANDOM = "best match", "itself", "random same class"
PARTNERS = (BEST, ITSELF, RANDOM)


def choose_partners(rule: str | np.ndarray, vectors: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The row of each picture's partner, int64 (N,).

    Args:
        rule: "best match": the nearest other picture by the cosine, of whatever class; "itself"; "random same class": another picture of
            the class, drawn from the seed; or the rows themselves (N,).
        vectors: (N, D), the embeddings; only the best match needs them.
        labels: (N,), the classes; only the random partner needs them.

    Raises:
        KinsightError: an unknown rule, rows that are none, or a picture without another one of its class.
    """
    count = len(labels)
    if not isinstance(rule, str):
        rows = np.asarray(rule)
        if (
            rows.shape != (count,)
            or rows.dtype.kind not in "iu"
            or (count and not 0 <= rows.min() <= rows.max() < count)
        ):
            raise KinsightError(
                f"partners of shape {rows.shape} and type {rows.dtype} are not one row number for each of {count} pictures; give "
                f"whole numbers from 0 to {count - 1}, or one of {', '.join(PARTNERS)}"
            )
        return rows.astype(np.int64)
    if rule == BEST:
        return neighbours(vectors, k=1).indices[:, 0]
    if rule == ITSELF:
        return np.arange(count)
    if rule == RANDOM:
        return _random_same_class(np.asarray(labels), seed)
    raise KinsightError(f"partners {rule!r} is not known; write {', '.join(PARTNERS)}, or give row numbers")


def _random_same_class(labels: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    partners = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise KinsightError(
                f"class {label} has one picture, so that it has no partner of its class; leave it out or choose another partner rule"
            )
        # A step of 1 to n - 1 round the circle of members never lands on the picture itself.
        steps = generator.integers(1, len(members), size=len(members))
        partners[members] = members[(np.arange(len(members)) + steps) % len(members)]
    return partners


def classes_of(pairs: np.ndarray, labels: Sequence[object] | np.ndarray | None, count: int) -> np.ndarray:
    """What the intervals of pairs (M, 2) of `count` pictures are drawn over: the class of each query, or each pair itself.

    Raises:
        KinsightError: the pairs name pictures that do not exist, or labels are not one for each picture.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or not 0 <= pairs.min() <= pairs.max() < count:
        raise KinsightError(
            f"pairs of shape {pairs.shape} do not name pictures; give rows (query, partner) with numbers from 0 to {count - 1}"
        )
    if labels is None:
        return np.arange(len(pairs))
    if len(labels) != count:
        raise KinsightError(f"{len(labels)} labels do not fit {count} pictures; give one for each")
    return np.asarray(labels)[pairs[:, 0]]
