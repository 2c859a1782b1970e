"""Pairs made of random contributions, with pictures of other sizes and shapes than the network's input."""

from __future__ import annotations

import numpy as np

from kinsight.explanation import Pair, View
from kinsight.explanation.centres import Axis, Centres


def view(
    grid: tuple[int, int],
    size: tuple[int, int],
    *,
    seed: int,
    name: str = "",
    picture: tuple[int, int] | None = (60, 90),
    bias: float = 1.0,
    affinity: float = 0.0,
    centres: Centres | None = None,
) -> View:
    """Contributions (h, w, 6) around a direction that all views share, and a bias."""
    random = np.random.default_rng(seed)
    places = (random.normal(size=(*grid, 6)) + np.array([1, 0.5, 0, 0, 0, 0])).astype(np.float32) / (grid[0] * grid[1])
    added = (bias * random.normal(size=6)).astype(np.float32)
    pixels = None if picture is None else random.integers(0, 256, (*picture, 3)).astype(np.uint8)
    return View(places, added, places.sum((0, 1)) + added, size, affinity, pixels, name, centres=centres)


def pair(seed: int = 0, *, bias: float = 1.0) -> Pair:
    """A pair whose sides differ in grid, in size, in the shape of the picture, and in where their places stand."""
    aside = Centres(Axis(40, 5, 6.5, 8.0), Axis(32, 3, 1.0, 11.0))
    query = view((4, 6), (48, 60), seed=seed, name="birds.zip/query one.jpg", bias=bias)
    return Pair(
        query, view((5, 3), (40, 32), seed=seed + 1, name="other.png", picture=(80, 64), bias=bias, centres=aside)
    )


def matches(count: int = 3) -> list[Pair]:
    """One query with several others."""
    query = pair().query
    return [
        Pair(query, view((5, 3), (40, 32), seed=10 + n, name=f"match {n}.png", picture=(50 + n, 50)))
        for n in range(count)
    ]


def planted(value: float = 1.0) -> Pair:
    """Only place (1, 4) of the query and place (3, 0) of the other say anything to each other."""
    query, other = np.zeros((4, 6, 6), np.float32), np.zeros((5, 3, 6), np.float32)
    query[1, 4, 0], other[3, 0, 0] = 1, value
    none = np.zeros(6, np.float32)
    grey = np.full((60, 90, 3), 128, np.uint8)
    return Pair(
        View(query, none, query.sum((0, 1)), (48, 60), picture=grey),
        View(other, none, other.sum((0, 1)), (40, 32), picture=grey),
    )
