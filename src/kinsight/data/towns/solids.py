"""What a town is made of: solids on a ground of many surfaces. Both views are drawn from these and from nothing else.

Metres; x to the right and y down in the aerial picture, z up; the camera stands above (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# What covers the ground, in the order of their numbers on it.
SURFACES = (
    "grass",
    "field",
    "water",
    "shore",
    "pavement",
    "street",
    "marking",
    "plaza",
    "tiles",
    "garden",
    "lot",
    "lane",
)
REACH = 72.0  # of the ground, from the camera to each side
CELLS = 5  # of the ground, a metre


class Paint(NamedTuple):
    """A material by its name, and how much lighter than it this one is."""

    material: str
    tint: float = 1.0


@dataclass(frozen=True)
class Box:
    """A building: walls on a rectangle, under a flat roof, or under one that rises from its long sides to a ridge."""

    x: float
    y: float
    angle: float  # radians from x towards y, of the long side
    length: float
    width: float
    top: float  # of the walls
    walls: Paint
    roof: Paint
    pitch: float = 0.0  # metres that the roof rises for each metre away from a long side
    windows: str = ""
    base: float = 0.0

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): along the long side, and across."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, sin], [-sin, cos]])

    @property
    def radius(self) -> float:
        """Of the circle around it."""
        return 0.5 * float(np.hypot(self.length, self.width))

    @property
    def height(self) -> float:
        """Of its highest point."""
        return self.top + 0.5 * self.pitch * self.width

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """(4, 2), with so many metres around it."""
        half = 0.5 * np.array([self.length, self.width]) + margin
        return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half @ self.axes + (self.x, self.y)


@dataclass(frozen=True)
class Round:
    """A trunk, tower or silo; a cone where `tip`, its radius at the top, is less than that at the base."""

    x: float
    y: float
    radius: float
    base: float
    top: float
    sides: Paint
    cap: Paint
    tip: float

    @property
    def height(self) -> float:
        """Of its highest point."""
        return self.top


@dataclass(frozen=True)
class Ball:
    """A crown or a tank: a ball whose height is `stretch` times its width. Leaves fall from a crown that has any."""

    x: float
    y: float
    z: float
    radius: float
    stretch: float
    paint: Paint
    leaves: bool = True

    @property
    def height(self) -> float:
        """Of its highest point."""
        return self.z + self.radius * self.stretch


Solid = Box | Round | Ball


@dataclass(frozen=True)
class Thing:
    """What a person would name: a building, a tree, a landmark."""

    kind: str
    x: float
    y: float
    solids: tuple[Solid, ...]


@dataclass(frozen=True)
class Town:
    """One place.

    Attributes:
        ground: (cells, cells), the number of a surface in `SURFACES`.
        things: all that stands on it and stays.
        lanes: (M, 4), where cars may stand: x, y, and the direction (x, y) of the street.
    """

    ground: np.ndarray
    things: tuple[Thing, ...]
    lanes: np.ndarray

    def surface(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The numbers of the surfaces at points; grass beyond the ground's border."""
        column, row = (np.floor((each + REACH) * CELLS).astype(np.int32) for each in (x, y))
        side = len(self.ground)
        inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        return np.where(inside, self.ground[row.clip(0, side - 1), column.clip(0, side - 1)], 0)
