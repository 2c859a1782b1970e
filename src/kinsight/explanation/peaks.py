"""Where a map peaks: between its places, and fairly where several are equally strong.

A map of 7 x 7 places knows its peak no better than to a seventh of the picture if the strongest place stands for it; its neighbours say
on which side of that place's centre the map is strong. So the peak is the centre of gravity of what is positive in the strongest place and
the places around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from kinsight.explanation.centres import Centres

TIED = 1e-6  # of a map's range: values that differ by less are equal but for rounding
_AROUND = np.ones((3, 3))

Place = tuple[int, int]


class Peak(NamedTuple):
    """Where a map peaks.

    Attributes:
        y, x: the pixel of the network's input, centres of pixels at whole numbers.
        row, column: the same in places, 0 at the centre of the first one.
    """

    y: float
    x: float
    row: float
    column: float


def peak(values: np.ndarray, centres: Centres) -> Peak:
    """The peak of a map (h, w): the centre of gravity of the positive values among its strongest place and its neighbours (3 x 3).

    Of tied places that touch each other the mean of their peaks counts, so that the middle of a plateau is its peak; of several such
    groups the one with the strongest surroundings, and of equally strong ones the first in reading order. A map without a positive
    value peaks at the centre of its strongest place.

    Args:
        values: (h, w), signed; where the lowest value is meant, give them with the other sign.
        centres: where the places stand in the picture.
    """
    values = np.asarray(values, np.float64)
    found = [_gravity(values, row, column) for row, column in _strongest(values)]
    row, column = np.mean(found, axis=0).tolist()
    return _peak(row, column, centres)


def peak_at(values: np.ndarray, place: Place, centres: Centres) -> Peak:
    """As `peak`, of a place that is known, whether it is the strongest of the map or not."""
    return _peak(*_gravity(np.asarray(values, np.float64), *place), centres)


def _peak(row: float, column: float, centres: Centres) -> Peak:
    return Peak(_pixel(centres.rows.centres, row), _pixel(centres.columns.centres, column), row, column)


def _strongest(values: np.ndarray) -> list[Place]:
    """The strongest place, or all that tie with it and touch each other."""
    tied = values >= values.max() - TIED * (values.max() - values.min())
    if tied.sum() == 1:
        row, column = divmod(int(values.argmax()), values.shape[1])
        return [(row, column)]
    numbers, count = ndimage.label(tied, structure=_AROUND)
    surroundings = ndimage.convolve(np.maximum(values, 0), _AROUND, mode="constant")  # sums of 3 x 3
    means = ndimage.mean(surroundings, numbers, np.arange(1, count + 1))
    best = int(np.flatnonzero(np.isclose(means, np.max(means)))[0])
    return [(int(row), int(column)) for row, column in np.argwhere(numbers == 1 + best)]


def _gravity(values: np.ndarray, row: int, column: int) -> tuple[float, float]:
    rows = np.arange(max(row - 1, 0), min(row + 2, values.shape[0]))
    columns = np.arange(max(column - 1, 0), min(column + 2, values.shape[1]))
    weights = np.maximum(values[np.ix_(rows, columns)], 0)  # up to (3, 3)
    total = weights.sum()
    if not total > 0:
        return float(row), float(column)
    return float(weights.sum(1) @ rows / total), float(weights.sum(0) @ columns / total)


def _pixel(centres: np.ndarray, place: float) -> float:
    return float(np.interp(place, np.arange(len(centres)), centres))
