"""Where a drawn part lies: frames nested in frames, and smooth outlines through a few points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """Coordinates within the picture: column j of `axes` is the frame's axis j in the picture, whose y points down."""

    origin: np.ndarray  # (2,)
    axes: np.ndarray  # (2, 2)

    def child(self, at: tuple[float, float], degrees: float = 0.0, scale: tuple[float, float] = (1.0, 1.0)) -> Frame:
        """A frame whose origin is at `at`, turned by `degrees` and then stretched along its own axes."""
        angle = np.deg2rad(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return Frame(self.place(at), self.axes @ turn @ np.diag(scale))

    def place(self, points: np.ndarray | tuple[float, float]) -> np.ndarray:
        """Picture positions of points (..., 2) given in the frame's own coordinates."""
        return np.asarray(points) @ self.axes.T + self.origin

    def coordinates(self, left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """The frame's own coordinates u and v, each (height, width), of the pixel centres of a rectangle."""
        (a, b), (c, d) = np.linalg.inv(self.axes).astype(np.float32)
        x = (np.arange(width, dtype=np.float32) + np.float32(left + 0.5 - self.origin[0]))[None, :]
        y = (np.arange(height, dtype=np.float32) + np.float32(top + 0.5 - self.origin[1]))[:, None]
        return a * x + b * y, c * x + d * y  # (height, width)


def smooth(points: list[tuple[float, float]], rounds: int = 3) -> np.ndarray:
    """A closed outline (M, 2) by cutting corners (Chaikin); a point given twice stays a sharp corner."""
    outline = np.array(points, dtype=float)
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], axis=1).reshape(
            -1, 2
        )
    return outline


def centroid(outline: np.ndarray) -> tuple[float, float]:
    """The centre of gravity of the area within a closed outline (M, 2)."""
    following = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]
    x, y = ((outline + following) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return float(x), float(y)


def ellipse(count: int = 36) -> np.ndarray:
    """The outline (count, 2) of an ellipse that fills x in [0, 1] and y in [-1, 1]."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([0.5 + 0.5 * np.cos(turn), np.sin(turn)], axis=1)
