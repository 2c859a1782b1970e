"""All pairs of places voting for a heading.

Every place of the panorama and every place of the aerial picture that answer each other vote, as strongly as they do, for
the heading at which the two would be the same thing: aerial angle - panorama angle. Neither place is a point: a vote is spread
over the circle with the variance of the stretches that both cover (span^2 / 12 each), so that places near the middle of the
aerial picture, which look nearly everywhere, say next to nothing.

The votes make a histogram without bins: wrapped normal distributions are added up as Fourier series, of which a peak is found
to any precision, and which turns by exactly as much as the pictures do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.orientation.bearings import HARMONICS, Aerial, Panorama
from kinsight.explanation.orientation.looks import Look
from kinsight.pictures.directions import around, difference

GRID = 1440  # points at which a peak is looked for before it is refined
APART = 20.0  # degrees; nearer peaks are one
_NEWTON = 12


@dataclass(frozen=True)
class Voting:
    """How places vote.

    Attributes:
        smoothing: the standard deviation, in degrees, of what is added to the width of every vote.
        centred: whether what says nothing about a heading is taken off before: what a row of the panorama says all around, and what a
            place of the panorama says to the whole aerial picture.
        scaled: whether every place counts alike: its votes are divided by their standard deviation over the other picture.
        positive: whether only what speaks for the similarity votes; else what speaks against it votes against a heading. Of two networks
            one was right more often each way on validation places, and peaks of positive votes told better how sure they are.
        turns, mirrored: how often the pair is looked at (`kinsight.explanation.orientation.looks`): so many times with the aerial picture
            turned, evenly round the circle, and as often with both pictures mirrored.

    Raises:
        KinsightError: turns is no number from 1 to 360.
    """

    smoothing: float = 5.0
    centred: bool = True
    scaled: bool = False
    positive: bool = True
    turns: int = 12
    mirrored: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.turns, bool) or not isinstance(self.turns, int) or not 1 <= self.turns <= 360:
            raise KinsightError(f"turns is {self.turns!r}; write a whole number from 1 to 360")


ONCE = Voting(turns=1, mirrored=False)  # a single look


class Place(NamedTuple):
    """A place by row and column."""

    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Histogram:
    """What was voted for every heading.

    Attributes:
        coefficients: (HARMONICS + 1,) complex: the Fourier series in the heading; its mean is 0.
    """

    coefficients: np.ndarray

    def __add__(self, other: Histogram) -> Histogram:
        """The votes of both."""
        return Histogram(self.coefficients + other.coefficients)

    def before(self, look: Look) -> Histogram:
        """These votes, cast at a look at the pictures, for the pictures as they are."""
        back = np.exp(1j * np.arange(len(self.coefficients)) * np.radians(look.turn))
        turned_back = self.coefficients * back
        return Histogram(turned_back.conj() if look.mirrored else turned_back)

    def at(self, headings: np.ndarray | float, derivative: int = 0) -> np.ndarray:
        """The votes at headings in degrees, or their derivative by the heading in radians."""
        harmonics = np.arange(len(self.coefficients))
        phases = np.exp(1j * np.multiply.outer(np.radians(headings), harmonics))
        terms = self.coefficients * (1j * harmonics) ** derivative
        return 2 * (phases @ terms).real

    @cached_property
    def grid(self) -> np.ndarray:
        """(GRID,): the votes at equal steps from 0."""
        spectrum = np.zeros(GRID // 2 + 1, complex)
        spectrum[: len(self.coefficients)] = self.coefficients
        return np.fft.irfft(spectrum, GRID) * GRID

    @cached_property
    def peak(self) -> float:
        """The heading that gets the most votes, in [0, 360)."""
        step = 360 / GRID
        start = at = float(self.grid.argmax()) * step
        for _ in range(_NEWTON):
            slope, bend = float(self.at(at, 1)), float(self.at(at, 2))
            if not bend < 0:
                break
            at = float(np.clip(at - np.degrees(slope / bend), start - step, start + step))
        return float(around(at))

    @property
    def height(self) -> float:
        """How high the peak stands above the mean of all headings, in standard deviations of the votes over the circle; 0 without votes."""
        return self._in_deviations(float(self.at(self.peak)))

    @property
    def lead(self) -> float:
        """How far the peak stands above the highest peak elsewhere (`APART`), in the same unit."""
        elsewhere = np.abs(difference(np.arange(GRID) * 360 / GRID, self.peak)) > APART
        rising = (self.grid > np.roll(self.grid, 1)) & (self.grid >= np.roll(self.grid, -1)) & elsewhere
        second = self.grid[rising].max() if rising.any() else self.grid[elsewhere].max()
        return self._in_deviations(float(self.at(self.peak) - second))

    def _in_deviations(self, value: float) -> float:
        deviation = float(self.grid.std())
        return value / deviation if deviation > 0 else 0.0


def histogram(tensor: np.ndarray, street: Panorama, aerial: Aerial, voting: Voting | None = None) -> Histogram:
    """The votes of all pairs of places.

    Args:
        tensor: (h, w, h', w'), what every place of the panorama and every place of the aerial picture say to each other.
        street, aerial: where the places look.
        voting: how they vote; the usual way if None.
    """
    voting = voting or Voting()
    mine, yours = street.bearings.series.conj(), aerial.bearings.series  # (w, K), (h'w', K)
    votes = cast(tensor, voting).sum(0).reshape(len(mine), len(yours))
    smooth = np.exp(-((np.arange(HARMONICS + 1) * np.radians(voting.smoothing)) ** 2) / 2)
    found = (mine * (votes @ yours)).sum(0) * smooth
    found[0] = 0
    return Histogram(found)


def cast(tensor: np.ndarray, voting: Voting) -> np.ndarray:
    """(h, w, h', w'), how strongly each pair of places votes."""
    values = np.asarray(tensor, np.float64)
    if voting.centred:
        values = values - values.mean(1, keepdims=True)
        values = values - values.mean((2, 3), keepdims=True)
    if voting.scaled:
        spread = values.std((2, 3), keepdims=True) * values.std((0, 1), keepdims=True)
        values = values / np.where(spread > 0, spread, 1)
    return np.maximum(values, 0) if voting.positive else values


def deciding_places(
    tensor: np.ndarray, street: Panorama, aerial: Aerial, heading: float, voting: Voting | None = None
) -> tuple[Place, Place]:
    """The place of the panorama and that of the aerial picture whose vote counts most at a heading."""
    voting = voting or Voting()
    columns, places = street.bearings, aerial.bearings
    aside = np.radians(difference(places.angles[None] - columns.angles[:, None, None], heading))  # (w, h', w')
    variance = np.radians(voting.smoothing) ** 2 + columns.variances[:, None, None] + places.variances
    density = places.says * np.exp(-(aside**2) / (2 * variance)) / np.sqrt(variance)
    counts = cast(tensor, voting) * density
    row, column, down, across = (int(at) for at in np.unravel_index(counts.argmax(), counts.shape))
    return Place(row, column), Place(down, across)
