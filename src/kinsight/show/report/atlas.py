"""The map of an embedding: pictures laid out in the plane so that neighbours stay neighbours (t-SNE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.runs.ranking import Ranking
from kinsight.show.thumbnails import PLACEHOLDER, thumbnail

POINTS = 1500
THUMBNAILS = 250
WIDTH, HEIGHT, MARGIN = 1000, 820, 36  # the height is a limit: a flat map is drawn flat
LEAST = 320
TILE = 38  # the side of a thumbnail on the map, in its units


@dataclass(frozen=True)
class Point:
    """One picture on the map; `picture` is empty where it is only a dot."""

    x: float
    y: float
    label: str
    name: str
    hue: int
    picture: str
    mistaken_for: str  # the class of a wrong first neighbour, else empty
    average_precision: float | None  # None where the picture is no query


@dataclass(frozen=True)
class Atlas:
    """The points of a map `WIDTH` wide and `height` high, and how many pictures and classes it was sampled from."""

    points: list[Point]
    height: int
    pictures: int
    classes: int

    @property
    def shown_classes(self) -> list[str]:
        return sorted({point.label for point in self.points})


def atlas(ranking: Ranking, points: int = POINTS, thumbnails: int = THUMBNAILS) -> Atlas:
    """The map of an evaluation's embeddings, at most `points` pictures of it; the same for the same arrays."""
    rows = sampled_rows(ranking.labels, points)
    places, height = _fitted(layout(ranking.vectors[rows]))
    pictured = set(spread(places, ranking.labels[rows], thumbnails))
    query_of = {int(row): query for query, row in enumerate(ranking.query_rows)}
    hues = _hues(ranking.labels[rows])
    found = []
    for number, (row, (x, y)) in enumerate(zip(rows, places, strict=True)):
        label = str(ranking.labels[row])
        picture = thumbnail(str(ranking.paths[row]), 112, 4_500) if number in pictured else ""
        query = query_of.get(int(row))
        found.append(
            Point(
                x=round(float(x), 1),
                y=round(float(y), 1),
                label=label,
                name=str(ranking.ids[row]),
                hue=hues[label],
                picture="" if picture == PLACEHOLDER else picture,
                mistaken_for="" if query is None else _mistake(ranking, query),
                average_precision=None if query is None else _finite(ranking.average_precision[query]),
            )
        )
    found.sort(key=lambda point: point.picture != "")  # pictures are drawn over dots
    return Atlas(found, height, len(ranking.labels), len(np.unique(ranking.labels)))


def layout(vectors: np.ndarray) -> np.ndarray:
    """Places (N, 2) in the plane for vectors (N, D): t-SNE of their directions, started from their principal plane.

    Deterministic (one thread, fixed seed). Fewer than 8 vectors, or vectors that are all equal, are not worth a t-SNE
    and keep their principal plane. van der Maaten and Hinton 2008; implementation: openTSNE (Policar et al. 2019).
    """
    directions = _directions(vectors)
    if len(directions) < 8 or np.ptp(directions, axis=0).max(initial=0) < 1e-7:
        return _principal_plane(directions)
    from openTSNE import TSNE

    start = _principal_plane(directions)
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
    tsne = TSNE(
        perplexity=min(30.0, (len(directions) - 1) / 3),
        initialization=start,
        negative_gradient_method="bh",
        random_state=0,
        n_jobs=1,
    )
    places = np.asarray(tsne.fit(directions))  # (N, 2)
    return np.nan_to_num(places)


def sampled_rows(labels: np.ndarray, points: int = POINTS) -> np.ndarray:
    """Rows to show, sorted: all of them if they are few, else at least 12 rows of each of as many classes as fit.

    A map of single pictures of thousands of classes shows no grouping, so classes are left out first.
    """
    if len(labels) <= points:
        return np.arange(len(labels))
    generator = np.random.default_rng(0)
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


def spread(places: np.ndarray, labels: np.ndarray, count: int, gap: float = 0.95 * TILE) -> list[int]:
    """At most `count` points, class by class in turn, none closer to another than `gap` along both axes."""
    turn = np.zeros(len(labels), dtype=int)
    seen: dict[object, int] = {}
    for number, label in enumerate(labels.tolist()):
        turn[number] = seen[label] = seen.get(label, -1) + 1
    kept: list[int] = []
    for number in np.argsort(turn, kind="stable").tolist():
        if len(kept) == count:
            break
        if not kept or np.abs(places[kept] - places[number]).max(axis=1).min() >= gap:
            kept.append(number)
    return kept


def _directions(vectors: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(np.asarray(vectors, dtype=np.float64))
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)


def _principal_plane(values: np.ndarray) -> np.ndarray:
    if values.size == 0:
        return np.zeros((len(values), 2))
    centred = values - values.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of an axis is free; fixing it keeps the map the same on every machine.
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    plane = centred @ axes.T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def _fitted(places: np.ndarray) -> tuple[np.ndarray, int]:
    """Turned so that the map is wider than high, then scaled (the same both ways) into the drawing area; and its height."""
    turned = _principal_plane(places)
    low, high = turned.min(axis=0), turned.max(axis=0)
    room = np.array([WIDTH, HEIGHT]) - 2 * MARGIN
    extent = np.maximum(high - low, 1e-12)
    scale = float((room / extent).min()) if (high - low).max() > 1e-9 else 0.0
    height = max(round(scale * float(high[1] - low[1])) + 2 * MARGIN, LEAST)
    return (turned - (low + high) / 2) * scale + np.array([WIDTH, height]) / 2, height


def _hues(labels: np.ndarray) -> dict[str, int]:
    names = [str(name) for name in np.unique(labels)]
    # Few classes share the circle evenly; many take golden angles, so that any few of them still differ.
    step = 360 / len(names) if len(names) <= 12 else 137.508
    return {name: int(number * step + 20) % 360 for number, name in enumerate(names)}


def _mistake(ranking: Ranking, query: int) -> str:
    if ranking.neighbours.shape[1] == 0 or ranking.neighbours[query, 0] < 0 or ranking.precision_at_1[query] > 0:
        return ""
    return str(ranking.labels[ranking.neighbours[query, 0]])


def _finite(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
