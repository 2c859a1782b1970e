"""Many pictures in little room: which of them are taken, which are drawn, and where those go that fall on one another."""

from __future__ import annotations

import numpy as np

from kinsight.show.plane.layouts import principal_plane


def sampled_rows(labels: np.ndarray, points: int, seed: int = 0) -> np.ndarray:
    """Rows to show, sorted: all of them if they are few, else at least 12 rows of each of as many classes as fit.

    A map of single pictures of thousands of classes shows no grouping, so classes are left out first.
    """
    if len(labels) <= points:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    names, inverse = np.unique(labels, return_inverse=True)
    a_class = max(points // len(names), 12)
    rows: list[np.ndarray] = []
    room = points
    for number in generator.permutation(len(names)):
        members = np.flatnonzero(inverse == number)
        chosen = generator.permutation(members)[: min(a_class, room)]
        rows.append(chosen)
        room -= len(chosen)
        if room == 0:
            break
    return np.sort(np.concatenate(rows))


def in_turn(labels: np.ndarray) -> np.ndarray:
    """All rows (N,), class by class in turn: the first of each class, then the second of each, ..."""
    turn = np.zeros(len(labels), dtype=int)
    seen: dict[object, int] = {}
    for number, label in enumerate(labels.tolist()):
        turn[number] = seen[label] = seen.get(label, -1) + 1
    return np.argsort(turn, kind="stable")


def spread(places: np.ndarray, labels: np.ndarray, count: int, gap: float) -> list[int]:
    """At most `count` points, class by class in turn, none closer to another than `gap` along both axes."""
    kept: list[int] = []
    for number in in_turn(labels).tolist():
        if len(kept) == count:
            break
        if not kept or np.abs(places[kept] - places[number]).max(axis=1).min() >= gap:
            kept.append(number)
    return kept


def side_by_side(places: np.ndarray, step: float = 0.0015) -> tuple[np.ndarray, int]:
    """Points (N, 2) of which none has the place of another any more, and how many had.

    Those that share a place are wound round it as the seeds of a sunflower are, `step` apart as a share of the map's longer side
    (of 1 where all points are one).
    """
    extent = float(np.ptp(places, axis=0).max(initial=0)) or 1.0
    _, inverse, counts = np.unique(np.round(places / extent, 6), axis=0, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts[inverse.ravel()] > 1)
    turn = np.empty(len(places), dtype=int)
    order = np.argsort(inverse.ravel(), kind="stable")
    turn[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # how manieth of its place
    moved = np.array(places, dtype=float)
    angle, radius = turn[shared] * 2.399963, step * extent * np.sqrt(turn[shared])
    moved[shared] += np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return moved, len(shared)


def fitted(
    places: np.ndarray, width: float, height: float, margin: float, least: float = 0.0
) -> tuple[np.ndarray, float]:
    """Points turned so that the map is wider than high, then scaled, the same both ways, into the drawing area; and its height.

    Args:
        height: at most; a flat map is drawn flat, but no lower than `least`.
    """
    turned = principal_plane(places)
    low, high = turned.min(axis=0), turned.max(axis=0)
    room = np.array([width, height]) - 2 * margin
    extent = np.maximum(high - low, 1e-12)
    scale = float((room / extent).min()) if (high - low).max() > 1e-9 else 0.0
    needed = max(round(scale * float(high[1] - low[1])) + 2 * margin, least)
    return (turned - (low + high) / 2) * scale + np.array([width, needed]) / 2, needed
