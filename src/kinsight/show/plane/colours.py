"""Colours of classes: hues around the circle, and a palette as large as the eye can tell apart."""

from __future__ import annotations

from functools import cache

import numpy as np

MOST = 30  # colours; the closest two are then 0.11 apart in OKLab, about five times what can just be seen side by side


def hue(number: int, count: int) -> int:
    """The hue of one of so many, in degrees: few share the circle evenly; many take golden angles, so that any few of them still differ."""
    step = 360 / count if count <= 12 else 137.508
    return int(number * step + 20) % 360


def class_colours(labels: np.ndarray, places: np.ndarray) -> dict[str, str]:
    """A colour `#rrggbb` for each class of points (N, 2).

    Up to `MOST` classes have a colour each. Of more, those that share a colour have their middles as far from each other as can be had
    class by class, and no colour stands for more classes, by over one, than another.
    """
    names, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    colours = palette(min(len(names), MOST))
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    middles = np.stack([np.median(places[rows], axis=0) for rows in members])  # (C, 2)
    held = np.zeros(len(names), dtype=int)  # which colour each class so far has
    for number in range(len(names)):
        nearest = np.full(len(colours), np.inf)  # class of each colour
        np.minimum.at(nearest, held[:number], np.hypot(*(middles[:number] - middles[number]).T))
        taken = np.bincount(held[:number], minlength=len(colours))
        held[number] = np.argmax(np.where(taken == number // len(colours), nearest, -1.0))
    return {str(name): colours[colour] for name, colour in zip(names, held.tolist(), strict=True)}


@cache
def palette(count: int) -> tuple[str, ...]:
    """So many colours, each as far from those before it as possible in OKLab (Ottosson 2020), all readable on white and on near black."""
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(grid / 255)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 0.45) & (lab[:, 0] < 0.82) & (chroma > 0.07)
    grid, lab = grid[usable], lab[usable]
    chosen = [int(np.argmin(np.abs(grid - [30, 120, 180]).sum(axis=1)))]
    distance = np.linalg.norm(lab - lab[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return tuple("#{:02x}{:02x}{:02x}".format(*grid[each]) for each in chosen[:count])


def _oklab(colours: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) from 0 to 1 in OKLab (N, 3)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929],
         [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    ).T  # fmt: skip
    return np.cbrt(cones) @ np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468],
         [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    ).T  # fmt: skip
