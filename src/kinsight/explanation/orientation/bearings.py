"""Which way the places of a panorama and of an aerial picture look, and how much of the circle each of them covers.

Angles are those of `kinsight.pictures.directions`; places stand where the network looks (`kinsight.explanation.centres`), whose middles of
pixels stand at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.peaks import peak
from kinsight.pictures.directions import aerial_angle, difference, panorama_angle

HARMONICS = 180  # of the circle: two degrees are told apart
Scale = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Bearings:
    """Directions of places, of any shape.

    Attributes:
        angles: degrees.
        spans: degrees that a place covers.
        says: False of places that cover all directions, and so say nothing.
    """

    angles: np.ndarray
    spans: np.ndarray
    says: np.ndarray

    @property
    def variances(self) -> np.ndarray:
        """Of directions spread evenly over each span, in radians squared."""
        return np.radians(self.spans) ** 2 / 12

    @cached_property
    def series(self) -> np.ndarray:
        """(places, HARMONICS + 1) complex: the directions of each place, a wrapped normal, as Fourier series; 0 where it says nothing."""
        harmonics = np.arange(HARMONICS + 1)
        angles, variances = np.radians(self.angles).reshape(-1, 1), self.variances.reshape(-1, 1)
        return np.exp(-1j * angles * harmonics - variances * harmonics**2 / 2) * self.says.reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class Panorama:
    """The places of a panorama that goes round once."""

    centres: Centres

    @cached_property
    def bearings(self) -> Bearings:
        """Of its columns, (w,)."""
        axis = self.centres.columns
        angles = self.angle_of(np.arange(axis.places))
        return Bearings(
            np.asarray(angles), np.full(axis.places, 360 * axis.step / axis.pixels), np.ones(axis.places, bool)
        )

    def angle_of(self, column: np.ndarray | float) -> np.ndarray | float:
        """The angle of a column of places, or between two."""
        axis = self.centres.columns
        return panorama_angle(axis.first + axis.step * np.asarray(column) + 0.5, axis.pixels)

    def peak(self, values: np.ndarray) -> tuple[float, float]:
        """Where a map (h, w) peaks, as row and column of places; its left and right border are one."""
        places = values.shape[1]
        aside = places // 2 - int(np.unravel_index(values.argmax(), values.shape)[1])
        found = peak(np.roll(values, aside, axis=1), self.centres)
        return found.row, (found.column - aside) % places

    def weights(self, row: float, column: float) -> np.ndarray:
        """(h, w), how much each place counts for a point between places; they sum to 1."""
        down = Axis(self.centres.rows.places, self.centres.rows.places, 0, 1).weights(np.array([row]))[0]
        places = self.centres.columns.places
        lower = int(column) % places
        across = np.zeros(places)
        across[lower] += 1 - column % 1
        across[(lower + 1) % places] += column % 1
        return np.outer(down, across)


@dataclass(frozen=True, eq=False)
class Aerial:
    """The places of an aerial picture with the camera in its middle.

    Attributes:
        centres: where they stand in the network's input.
        scale: pixels of the picture for each of the input, across and down, where the network sees it out of shape.
    """

    centres: Centres
    scale: Scale = (1.0, 1.0)

    @cached_property
    def bearings(self) -> Bearings:
        """Of its places, (h', w'): a place covers the more directions the nearer to the middle it stands."""
        right, down = self._offsets()  # (1, w'), (h', 1)
        halves = self.centres.columns.step * self.scale[0] / 2, self.centres.rows.step * self.scale[1] / 2
        angles = _angle(*np.broadcast_arrays(right, down))  # (h', w')
        corners = []
        for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            there = np.broadcast_arrays(right + x * halves[0], down + y * halves[1])
            turned = np.asarray(difference(_angle(*there), angles))
            corners.append(np.where(np.hypot(*there) > 1e-6 * sum(halves), turned, 0.0))
        spans = np.max(corners, axis=0) - np.min(corners, axis=0)  # (h', w')
        says = (np.abs(right) > halves[0] * (1 - 1e-6)) | (np.abs(down) > halves[1] * (1 - 1e-6))
        return Bearings(angles, np.where(says, spans, 360.0), says)

    def angle_of(self, row: float, column: float) -> float:
        """The angle of a point, in places."""
        right, down = self._offsets()
        places = self.centres.columns.places, self.centres.rows.places
        x, y = np.interp(column, np.arange(places[0]), right[0]), np.interp(row, np.arange(places[1]), down[:, 0])
        return float(_angle(x, y))

    def peak_angle(self, values: np.ndarray) -> float:
        """The angle at which a map (h', w') peaks."""
        found = peak(values, self.centres)
        return self.angle_of(found.row, found.column)

    def _offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """To the right (1, w') and down (h', 1) of the middle, in pixels of the picture."""
        right, down = (
            (axis.first + axis.step * np.arange(axis.places) + 0.5 - axis.pixels / 2) * scale
            for axis, scale in zip((self.centres.columns, self.centres.rows), self.scale, strict=True)
        )
        return right[None], down[:, None]


def _angle(right: np.ndarray | float, down: np.ndarray | float) -> np.ndarray:
    return np.asarray(aerial_angle(right, down, 0, 0))
