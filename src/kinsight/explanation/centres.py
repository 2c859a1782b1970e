"""Where the places of a map stand in the picture, and how maps are drawn there: bilinear between the centres of places.

The centre of what a place sees is not always the middle of its cell: a convolution with stride looks aside of it, by half a pixel of its
input with the usual padding. Over the strides of a network that adds up to half a place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """Places along one side of a picture, evenly spaced.

    Attributes:
        pixels: length of the side.
        places: how many there are.
        first: the centre of the first one, in pixels whose centres stand at whole numbers.
        step: pixels from one to the next.
    """

    pixels: int
    places: int
    first: float
    step: float

    @classmethod
    def even(cls, pixels: int, places: int) -> Axis:
        """Each place in the middle of its cell."""
        return cls(pixels, places, pixels / places / 2 - 0.5, pixels / places)

    @property
    def centres(self) -> np.ndarray:
        """(places,), none of them outside of the picture."""
        return np.clip(self.first + self.step * np.arange(self.places), -0.5, self.pixels - 0.5)

    @property
    def edges(self) -> np.ndarray:
        """(places + 1,): the picture cut half way between centres, in positions of which pixel i covers i to i + 1."""
        inner = self.first + self.step * (np.arange(1, self.places) - 0.5) + 0.5
        return np.concatenate([[0.0], np.clip(inner, 0, self.pixels), [self.pixels]])

    def weights(self, positions: np.ndarray) -> np.ndarray:
        """(P,) positions -> (P, places), how much each place counts there; beyond the outermost ones their value goes on."""
        at = np.clip((positions - self.first) / self.step, 0, self.places - 1)  # (P,)
        lower = np.minimum(at.astype(int), max(self.places - 2, 0))
        found = np.zeros((len(at), self.places))
        rows = np.arange(len(at))
        found[rows, lower] = 1 - (at - lower)
        if self.places > 1:
            found[rows, lower + 1] = at - lower
        return found

    def shares(self) -> np.ndarray:
        """(places, pixels): each place takes the mean of its stretch of pixels, also where edges cut them."""
        pixels = np.arange(self.pixels)
        return self.covered(pixels, pixels + 1) * (self.edges[1:, None] > self.edges[:-1, None])

    def covered(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """(places, S): how much of each place's stretch each of S stretches covers, from `starts` to `ends` in the positions of `edges`.

        A place whose stretch lies wholly outside of the picture belongs to the pixel at that border, so that stretches that make up the
        side cover every place once.
        """
        low, high = self.edges[:-1, None], self.edges[1:, None]
        inside = np.clip(np.minimum(high, ends) - np.maximum(low, starts), 0, None)
        at = np.minimum(low, self.pixels - 0.5)
        return np.where(high > low, inside / np.where(high > low, high - low, 1), (starts <= at) & (at < ends))

    def scaled(self, pixels: int) -> Axis:
        """The same places on a side of another length."""
        by = pixels / self.pixels
        return Axis(pixels, self.places, (self.first + 0.5) * by - 0.5, self.step * by)


@dataclass(frozen=True)
class Centres:
    """The centres of a map's places, row by row and column by column.

    Attributes:
        rows: down the picture.
        columns: across.
    """

    rows: Axis
    columns: Axis

    @classmethod
    def even(cls, size: tuple[int, int], grid: tuple[int, int]) -> Centres:
        """Each place of a grid (h, w) in the middle of its cell of a picture (H, W)."""
        return cls(Axis.even(size[0], grid[0]), Axis.even(size[1], grid[1]))

    def upsample(self, maps: np.ndarray) -> np.ndarray:
        """(..., h, w) -> (..., H, W)."""
        down, across = (axis.weights(np.arange(axis.pixels)) for axis in (self.rows, self.columns))
        return down @ np.asarray(maps, np.float64) @ across.T

    def weights(self, y: float, x: float) -> np.ndarray:
        """How much each place (h, w) counts for a pixel; they sum to 1."""
        return np.outer(self.rows.weights(np.array([y])), self.columns.weights(np.array([x])))

    def means(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W) -> (h, w): the mean over the pixels that lie nearest to each place."""
        return self.rows.shares() @ pixels @ self.columns.shares().T

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """The pixel (y, x) of a place."""
        return float(self.rows.centres[row]), float(self.columns.centres[column])

    def nearest(self, y: float, x: float) -> tuple[int, int]:
        """The place (row, column) nearest to a pixel."""
        return int(np.abs(self.rows.centres - y).argmin()), int(np.abs(self.columns.centres - x).argmin())

    def scaled(self, size: tuple[int, int]) -> Centres:
        """The same places on the same picture drawn in another size."""
        return Centres(self.rows.scaled(size[0]), self.columns.scaled(size[1]))
