"""The map of an embedding: pictures laid out in the plane so that neighbours stay neighbours (t-SNE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.runs.ranking import Ranking
from kinsight.show.plane.colours import hue
from kinsight.show.plane.crowding import fitted, sampled_rows, spread
from kinsight.show.plane.layouts import T_SNE, places
from kinsight.show.thumbnails import PLACEHOLDER, thumbnail

POINTS = 1500
THUMBNAILS = 250
WIDTH, HEIGHT, MARGIN = 1000, 820, 36  # the height is a limit: a flat map is drawn flat
LEAST = 320
TILE = 38  # the side of a thumbnail on the map, in its units
GAP = 0.95 * TILE


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
    placed = places(ranking.vectors[rows], T_SNE)
    at, height = fitted(placed, WIDTH, HEIGHT, MARGIN, LEAST)
    pictured = set(spread(at, ranking.labels[rows], thumbnails, GAP))
    query_of = {int(row): query for query, row in enumerate(ranking.query_rows)}
    names = np.unique(ranking.labels[rows])
    hues = {str(name): hue(number, len(names)) for number, name in enumerate(names)}
    found = []
    for number, (row, (x, y)) in enumerate(zip(rows, at, strict=True)):
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
    return Atlas(found, int(height), len(ranking.labels), len(np.unique(ranking.labels)))


def _mistake(ranking: Ranking, query: int) -> str:
    if ranking.neighbours.shape[1] == 0 or ranking.neighbours[query, 0] < 0 or ranking.precision_at_1[query] > 0:
        return ""
    return str(ranking.labels[ranking.neighbours[query, 0]])


def _finite(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
