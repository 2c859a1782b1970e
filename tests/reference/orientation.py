"""The votes of all pairs of places for headings, one after the other; how much of the circle a cell covers, by its border."""

from __future__ import annotations

import math

import numpy as np


def votes_for(
    heading: float,
    tensor: np.ndarray,
    columns: list[float],
    width: float,
    places: dict[tuple[int, int], tuple[float, float]],
    smoothing: float,
    positive: bool,
) -> float:
    """Wrapped normal densities at a heading (degrees), times 2 pi.

    Args:
        tensor: (h, w, h', w').
        columns: the angle of each column of the panorama, each of `width` degrees.
        places: angle and span of each place of the aerial picture that says something.
    """
    total = 0.0
    for row, column in np.ndindex(tensor.shape[:2]):
        for place, (angle, span) in places.items():
            strength = float(tensor[(row, column, *place)])
            if positive and strength < 0:
                continue
            variance = smoothing**2 + width**2 / 12 + span**2 / 12
            aside = heading - (angle - columns[column])
            for turns in range(-4, 5):
                away = aside % 360 + 360 * turns
                density = math.exp(-(away**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)  # per degree
                total += strength * density * 360
    return total


def centred(tensor: np.ndarray) -> np.ndarray:
    """Less what each row of the panorama says all around to a place, then less what a place of the panorama says to all places."""
    around, found = np.empty_like(tensor), np.empty_like(tensor)
    for row, column, down, across in np.ndindex(tensor.shape):
        around[row, column, down, across] = tensor[row, column, down, across] - tensor[row, :, down, across].mean()
    for row, column in np.ndindex(tensor.shape[:2]):
        found[row, column] = around[row, column] - around[row, column].mean()
    return found


def scaled(tensor: np.ndarray) -> np.ndarray:
    """Each pair of places divided by how much either place varies over the other picture."""
    found = np.empty_like(tensor)
    for at in np.ndindex(tensor.shape):
        found[at] = tensor[at] / (np.std(tensor[at[0], at[1]]) * np.std(tensor[:, :, at[2], at[3]]))
    return found


def span(left: float, top: float, right: float, bottom: float, points: int = 200) -> float:
    """Degrees that a cell covers as seen from 0, 0, which lies outside of it or on its border."""
    middle = math.atan2((left + right) / 2, -(top + bottom) / 2)
    found = []
    for share in np.linspace(1e-7, 1 - 1e-7, points):
        x, y = left + share * (right - left), top + share * (bottom - top)
        for there in ((x, top), (x, bottom), (left, y), (right, y)):
            away = math.atan2(there[0], -there[1]) - middle
            found.append((away + math.pi) % (2 * math.pi) - math.pi)
    return math.degrees(max(found) - min(found))
