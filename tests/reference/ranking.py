"""Ranking metrics by the book: one query at a time, no array tricks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    rows = vectors.astype(np.float32).astype(np.float64)
    return np.stack([row / np.sqrt((row * row).sum()) for row in rows]).astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> np.float32:
    return np.float32((a.astype(np.float64) * b.astype(np.float64)).sum())


def minus_distance(a: np.ndarray, b: np.ndarray) -> np.float32:
    return np.float32(-np.sqrt(((a.astype(np.float64) - b.astype(np.float64)) ** 2).sum()))


def ranking(
    query: np.ndarray, gallery: np.ndarray, allowed: np.ndarray, similarity: Callable[..., np.float32] = cosine
) -> list[tuple[int, np.float32]]:
    """All allowed gallery items, best first, the lower index first at equal score."""
    found = [(index, similarity(query, gallery[index])) for index in range(len(gallery)) if allowed[index]]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def metrics(relevant: list[bool], ks: tuple[int, ...] = (1, 2, 4, 8)) -> dict[str, float]:
    """Every metric of one query from its whole ranking; it must hold a relevant item."""
    r = sum(relevant)

    def precision(rank: int) -> float:
        return sum(relevant[:rank]) / rank

    def summed(last: int) -> float:
        return sum(precision(rank) for rank in range(1, min(last, len(relevant)) + 1) if relevant[rank - 1])

    hits = sum(relevant[:r])
    return {
        **{f"recall_at_{k}": float(any(relevant[:k])) for k in ks},
        "precision_at_1": float(relevant[0]),
        "r_precision": hits / r,
        "map_at_r": summed(r) / r,
        "map_hits": summed(r) / hits if hits else 0.0,
        "map_n": summed(r + 1) / (r + 1),
        "map": summed(len(relevant)) / r,
        "mrr": 1 / (relevant.index(True) + 1),
    }


def evaluate(
    vectors: np.ndarray,
    labels: list[object],
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
    cameras: list[object] | None = None,
    sequences: list[object] | None = None,
    ks: tuple[int, ...] = (1, 2, 4, 8),
) -> tuple[dict[str, float], int]:
    """The means over queries with a positive, and how many queries have none."""
    vectors, count = unit(vectors), len(vectors)
    queries = np.ones(count, bool) if queries is None else queries
    gallery = np.ones(count, bool) if gallery is None else gallery
    values, skipped = [], 0
    for query in np.nonzero(queries)[0]:
        allowed = gallery.copy()
        allowed[query] = False
        for item in range(count):
            if cameras is not None and labels[item] == labels[query] and cameras[item] == cameras[query]:
                allowed[item] = False
            if sequences is not None and sequences[item] is not None and sequences[item] == sequences[query]:
                allowed[item] = False
        relevant = [labels[item] == labels[query] for item, _ in ranking(vectors[query], vectors, allowed)]
        if any(relevant):
            values.append(metrics(relevant, ks))
        else:
            skipped += 1
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}, skipped
