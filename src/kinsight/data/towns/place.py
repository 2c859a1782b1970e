"""One place: a town, seen from the street and from above on two different days, and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kinsight.data.towns.aerial import EXTENT, aerial
from kinsight.data.towns.panorama import panorama
from kinsight.data.towns.plan import plan
from kinsight.data.towns.solids import Box, Paint, Thing, Town
from kinsight.data.towns.weather import SEASONS, Weather, weather
from kinsight.errors import KinsightError
from kinsight.pictures.directions import aerial_angle, around, panorama_position

_FINER = 2  # both views are drawn with so many times their rows and columns: averaging them smooths every edge
_CARS = ("white", "red", "dark", "steel", "gold", "glass", "slate")
SMALLEST, LARGEST = 48, 1024


@dataclass(frozen=True)
class Seen:
    """A building, tree or landmark within the aerial picture.

    Attributes:
        kind: what it is.
        x, y: its position in the aerial picture, in pixels.
        column: the position in the panorama at which it stands, in pixels.
        distance: from the camera, in metres.
        pixels: so many of the panorama show it; 0 where something hides it.
    """

    kind: str
    x: float
    y: float
    column: float
    distance: float
    pixels: float


@dataclass(frozen=True)
class View:
    """One picture (RGB), the season and the sky of its day."""

    image: Image.Image
    season: str
    sky: str


@dataclass(frozen=True)
class Place:
    """Two views of one town; `heading` in degrees, as `kinsight.pictures.directions` has it."""

    street: View
    aerial: View
    heading: float
    things: tuple[Seen, ...]


def panorama_size(size: int) -> tuple[int, int]:
    """Width and height of the panorama beside an aerial picture of `size` pixels: 256 by 64 beside 96."""
    return round(size * 8 / 3), round(size * 2 / 3)


def render_place(seed: int, number: int, size: int = 96) -> Place:
    """Draw place `number` of a seed: an aerial picture of `size` pixels to each side, and the panorama from its middle.

    A pure function of the arguments; the place is the same at every size.

    Raises:
        KinsightError: a number is negative, or the size is not between `SMALLEST` and `LARGEST`.
    """
    if seed < 0 or number < 0:
        raise KinsightError(f"seed {seed} and place {number}: neither may be negative; give 0 or more")
    if not SMALLEST <= size <= LARGEST:
        raise KinsightError(
            f"aerial pictures of {size} pixels cannot be rendered; give a size from {SMALLEST} to {LARGEST}"
        )
    streams = np.random.SeedSequence((seed, number)).spawn(4)
    laid, days, on_street, above = (np.random.default_rng(stream) for stream in streams)
    heading = round(float(laid.uniform(0, 360)), 2) % 360
    return draw_place(plan(laid), heading, _two_days(days), size, on_street, above)


def draw_place(
    town: Town,
    heading: float,
    days: tuple[Weather, Weather],
    size: int,
    on_street: np.random.Generator,
    above: np.random.Generator,
) -> Place:
    """Both views of a town; `days` of the panorama and of the aerial picture."""
    width, height = panorama_size(size)
    first, second = days
    seen = panorama(town, _cars(town, on_street), heading, first, height * _FINER, width * _FINER, on_street)
    # Not above the camera: a picture that shows where cars stood a moment ago, not the one that carries it.
    overhead = aerial(town, _cars(town, above), second, size * _FINER, above)
    counts = np.bincount(seen.shown[seen.shown >= 0], minlength=len(town.things)) / _FINER**2
    things = [_seen(thing, float(count), heading, size) for thing, count in zip(town.things, counts, strict=True)]
    return Place(
        View(_photographed(seen.colours, first, on_street), first.season, first.sky),
        View(_photographed(overhead, second, above), second.season, second.sky),
        heading,
        tuple(thing for thing in things if 0 <= thing.x < size and 0 <= thing.y < size),
    )


def _two_days(rng: np.random.Generator) -> tuple[Weather, Weather]:
    first, second = (SEASONS[number] for number in rng.choice(len(SEASONS), 2, replace=False))
    return weather(first, rng), weather(second, rng)


def _seen(thing: Thing, pixels: float, heading: float, size: int) -> Seen:
    x, y = (0.5 + each / EXTENT for each in (thing.x, thing.y))
    column = panorama_position(around(aerial_angle(x, y, 1, 1) - heading), panorama_size(size)[0])
    away = float(np.hypot(thing.x, thing.y))
    return Seen(thing.kind, round(x * size, 2), round(y * size, 2), round(float(column), 2), round(away, 2), pixels)


def _cars(town: Town, rng: np.random.Generator) -> tuple[Thing, ...]:
    lanes = town.lanes[np.hypot(town.lanes[:, 0], town.lanes[:, 1]) > 7]
    cars = []
    for x, y, along, across in lanes[rng.integers(len(lanes), size=int(rng.integers(4, 14)))].tolist():
        angle, paint = float(np.arctan2(across, along)), Paint(str(rng.choice(_CARS)))
        body = Box(x, y, angle, 4.4, 1.8, 0.95, paint, paint)
        cars.append(Thing("car", x, y, (body, Box(x, y, angle, 2.3, 1.6, 1.5, Paint("dark"), paint, base=0.95))))
    return tuple(cars)


def _photographed(colours: np.ndarray, day: Weather, rng: np.random.Generator) -> Image.Image:
    """What light and the camera make of colours (rows, columns, 3)."""
    rows, columns = colours.shape[0] // _FINER, colours.shape[1] // _FINER
    pixels = colours.reshape(rows, _FINER, columns, _FINER, 3).mean((1, 3)) * day.cast
    middle = pixels.mean()
    pixels = middle + (pixels - middle) * rng.uniform(0.75, 1.1)
    pixels += rng.standard_normal(pixels.shape) * rng.uniform(1, 5)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
