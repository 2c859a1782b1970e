"""What the page asks, read from JSON: every slip is one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageDraw

from kinsight.errors import KinsightError
from kinsight.explanation import View
from kinsight.explanation.regions import Region
from kinsight.explanation.window import to_input, to_picture
from kinsight.reading import parse_json
from kinsight.typed import from_plain

MOST_HITS = 100
MOST_SHAPES = 32
MOST_POINTS = 4000  # of all strokes together
MOST_WEIGHT = 100.0
FARTHEST = 1e6  # pixels
LONGEST_CONDITION = 2000  # characters
BY = ("picture", "places")
LARGEST_NUMBER = 2**63 - 1
_MASK_SIDE = 384
_SEE = "see /api/openapi.json"


@dataclass(frozen=True)
class Stroke:
    """A painted line: points (x, y) and its width, in pixels of the upright picture."""

    points: list[list[float]]
    width: float


@dataclass(frozen=True)
class Shape:
    """A part of a picture: one of `box` (left, top, right, bottom), `stroke` and `place` (x, y), in pixels of the upright picture."""

    box: list[float] | None = None
    stroke: Stroke | None = None
    place: list[float] | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Question:
    """What is searched for: one of `query` (a handle of an upload) and `picture` (a number of the index), and what counts of it.

    `by` says what it is compared with: "picture", whole ones, or "places", every place of every picture.
    """

    query: str | None = None
    picture: int | None = None
    regions: list[Shape] = field(default_factory=list)
    without: list[Shape] = field(default_factory=list)
    where: str | None = None
    top: int = 20
    answers: bool = True
    by: str = "picture"


@dataclass(frozen=True)
class Judgement:
    """What somebody says of a query and a picture that was found: the same, not the same, or (None) that it is withdrawn."""

    picture: int
    same: bool | None
    query: str | None = None
    of: int | None = None
    score: float | None = None
    regions: list[Shape] = field(default_factory=list)
    without: list[Shape] = field(default_factory=list)


def question_of(body: bytes) -> Question:
    """A question from a request's JSON.

    Raises:
        KinsightError: it is none.
    """
    found = from_plain(Question, _mapping(body), "the question", otherwise=_SEE)
    _one(found.query, found.picture, "query", "picture")
    if found.where is not None and not found.where.strip():
        found = replace(found, where=None)
    if not 1 <= found.top <= MOST_HITS:
        raise KinsightError(f"top is {_short(found.top)}; write a whole number from 1 to {MOST_HITS}")
    if found.by not in BY:
        raise KinsightError(f"by is {_short(found.by)}; write {' or '.join(BY)}")
    if found.where is not None and len(found.where) > LONGEST_CONDITION:
        raise KinsightError(f"the condition has {len(found.where):,} characters; write at most {LONGEST_CONDITION:,}")
    _check_shapes(found.regions, found.without)
    return found


def judgement_of(body: bytes) -> Judgement:
    """A judgement from a request's JSON.

    Raises:
        KinsightError: it is none.
    """
    plain = _mapping(body)
    if "same" not in plain:
        raise KinsightError("the judgement does not say whether they are the same; write same: true, false or null")
    found = from_plain(Judgement, plain, "the judgement", otherwise=_SEE)
    _one(found.query, found.of, "query", "of")
    _number(found.picture, "picture")
    if found.score is not None and not math.isfinite(found.score):
        raise KinsightError("the score is not finite; leave it out")
    _check_shapes(found.regions, found.without)
    return found


def regions_on(view: View, regions: list[Shape], without: list[Shape]) -> tuple[list[Region], list[Region]]:
    """The shapes as regions of a picture: what counts, and what must not.

    Raises:
        KinsightError: one cannot be used on it.
    """
    return [_region(shape, view) for shape in regions], [_region(shape, view) for shape in without]


def number_of(text: str, what: str) -> int:
    """A picture's number from a text of digits.

    Raises:
        KinsightError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise KinsightError(f"{what} is {_short(text)}; write the number of a picture")
    return _number(int(text), what)


def _region(shape: Shape, view: View) -> Region:
    if shape.box is not None:
        left, top, right, bottom = shape.box
        return Region((left, top, right, bottom), shape.weight)
    if shape.place is not None:
        return Region(_cell(view, *shape.place), shape.weight)
    assert shape.stroke is not None
    return Region(_painted(view, shape.stroke), shape.weight)


def _cell(view: View, x: float, y: float) -> tuple[float, float, float, float]:
    """The place of the map that lies nearest to a pixel, as a box."""
    height, width = view.size
    window = view.window or (0.0, 0.0, float(width), float(height))
    across, down = to_input(np.array([x, y, x, y]), window, view.size)[:2].tolist()
    if not (0 <= across <= width and 0 <= down <= height):
        raise KinsightError(
            "this place lies outside of what the network sees of the picture; choose one inside the frame"
        )
    at = view.drawn_at
    rows, columns = at.rows.edges, at.columns.edges
    row = min(int(np.searchsorted(rows, down, side="right")) - 1, len(rows) - 2)
    column = min(int(np.searchsorted(columns, across, side="right")) - 1, len(columns) - 2)
    box = np.array([columns[column], rows[row], columns[column + 1], rows[row + 1]])
    left, top, right, bottom = to_picture(box, window, view.size).tolist()
    return left, top, right, bottom


def _painted(view: View, stroke: Stroke) -> np.ndarray:
    """The stroke as a mask (h, w) over the upright picture."""
    if view.upright is None:
        raise KinsightError("this picture was cut to a box when it was indexed; draw a box on it instead of painting")
    height, width = view.upright
    scale = min(1.0, _MASK_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    across, down = size[0] / width, size[1] / height
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    radius = max(stroke.width * (across + down) / 4 - 0.5, 0)
    points = [(x * across - 0.5, y * down - 0.5) for x, y in stroke.points]  # Pillow counts from the middle of pixels
    for x, y in points:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    if len(points) > 1:
        draw.line(points, fill=255, width=max(1, round(2 * radius + 1)))
    values = np.asarray(mask) > 0
    if not values.any():
        raise KinsightError("this stroke lies outside of the picture; paint inside of it")
    return values.astype(np.float32)


def _mapping(body: bytes) -> dict[str, object]:
    try:
        value = parse_json(body.decode())
    except (ValueError, UnicodeDecodeError):
        raise KinsightError(f"the request is no JSON; {_SEE}") from None
    if not isinstance(value, dict):
        raise KinsightError(f"the request is no JSON object; {_SEE}")
    for name in ("picture", "of", "top"):  # to JSON 3.0 is a whole number, too
        number = value.get(name)
        if isinstance(number, float) and number.is_integer():
            value[name] = int(number)
    return value


def _one(handle: str | None, number: int | None, first: str, second: str) -> None:
    if (handle is None) == (number is None):
        raise KinsightError(
            f"write one of {first} (of a picture that was sent) and {second} (the number of one of the index)"
        )
    if number is not None:
        _number(number, second)


def _number(number: int, what: str) -> int:
    if not 0 <= number <= LARGEST_NUMBER:
        raise KinsightError(f"{what} is {_short(number)}; write the number of a picture")
    return number


def _check_shapes(*lists: list[Shape]) -> None:
    shapes = [shape for several in lists for shape in several]
    if len(shapes) > MOST_SHAPES:
        raise KinsightError(f"{len(shapes)} regions were given; give at most {MOST_SHAPES}")
    for shape in shapes:
        given = [shape.box is not None, shape.stroke is not None, shape.place is not None]
        if sum(given) != 1:
            raise KinsightError("a region is one of box, stroke and place; write one of them")
        if not 0 < shape.weight <= MOST_WEIGHT:
            raise KinsightError(
                f"the weight of a region is {shape.weight:g}; write a number above 0, up to {MOST_WEIGHT:g}"
            )
        for what, numbers, count in (("box", shape.box, 4), ("place", shape.place, 2)):
            if numbers is not None:
                _check_numbers(what, numbers, count)
        if shape.stroke is not None:
            _check_numbers("width of a stroke", [shape.stroke.width], 1)
            if not shape.stroke.width > 0 or not shape.stroke.points:
                raise KinsightError("a stroke needs a point and a width above 0; paint it again")
            for point in shape.stroke.points:
                _check_numbers("point of a stroke", point, 2)
    if sum(len(shape.stroke.points) for shape in shapes if shape.stroke) > MOST_POINTS:
        raise KinsightError(f"the strokes have more than {MOST_POINTS:,} points; paint less, or draw a box")


def _check_numbers(what: str, numbers: list[float], count: int) -> None:
    if len(numbers) != count or not all(math.isfinite(value) and abs(value) <= FARTHEST for value in numbers):
        raise KinsightError(
            f"a {what} has {count} number{'s' * (count > 1)} in pixels of the upright picture, none beyond {FARTHEST:,.0f}; "
            f"{len(numbers)} were given, or one of them is no such number"
        )


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a number of many digits"
    return text if len(text) <= 40 else f"{text[:37]}..."
