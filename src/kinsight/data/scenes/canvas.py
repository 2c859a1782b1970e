"""A picture being painted and what its topmost paint belongs to, both at several times the final resolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from kinsight.data.scenes.geometry import Frame
from kinsight.data.scenes.patterns import Pattern
from kinsight.data.scenes.species import PARTS, Colour, PartName

SURROUNDINGS = 0
COVER: dict[PartName, int] = {part: number for number, part in enumerate(PARTS, start=1)}
UNNAMED = len(PARTS) + 1

Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Canvas:
    """Paint on `image`; `cover` says pixel by pixel what the topmost paint belongs to.

    A number out of `COVER` stands for a part of the bird, `UNNAMED` for what of it is none of them (legs), 0 for all else.
    `line` is the width of drawn contours in canvas pixels.
    """

    def __init__(self, image: Image.Image, line: int) -> None:
        self.image = image
        self.cover = Image.new("L", image.size, SURROUNDINGS)
        self.line = line
        self._draw = ImageDraw.Draw(self.image)
        self._cover = ImageDraw.Draw(self.cover)

    def shape(self, points: np.ndarray, colour: Colour, *, cover: int) -> None:
        """Fill an outline (M, 2), in canvas pixels, with one colour."""
        flat = points.ravel().tolist()
        self._draw.polygon(flat, fill=colour)
        self._cover.polygon(flat, fill=cover)

    def stroke(self, points: np.ndarray, colour: Colour, width: float, *, cover: int) -> None:
        """Draw a line with round joints through the points (M, 2)."""
        flat = points.ravel().tolist()
        self._draw.line(flat, fill=colour, width=max(1, round(width)), joint="curve")
        self._cover.line(flat, fill=cover, width=max(1, round(width)), joint="curve")

    def disc(self, centre: np.ndarray, radius: float, colour: Colour, *, cover: int) -> None:
        """Fill a circle."""
        box = [*(centre - radius).tolist(), *(centre + radius).tolist()]
        self._draw.ellipse(box, fill=colour)
        self._cover.ellipse(box, fill=cover)

    def textured(self, frame: Frame, outline: np.ndarray, paint: Paint, contour: Colour, *, cover: int) -> None:
        """Fill an outline (M, 2) in the frame's coordinates with a paint of these coordinates; draw its contour."""
        points = frame.place(outline)  # (M, 2)
        width, height = self.image.size
        left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(points.max(axis=0)) + 1, (width, height)).astype(int).tolist()
        if left < right and top < bottom:
            inside = Image.new("L", (right - left, bottom - top))
            ImageDraw.Draw(inside).polygon((points - (left, top)).ravel().tolist(), fill=255)
            texture = paint(*frame.coordinates(left, top, right - left, bottom - top))  # (h, w, 3)
            self.image.paste(Image.fromarray(texture), (left, top), inside)
            self.cover.paste(cover, (left, top, right, bottom), inside)
        self.stroke(np.concatenate([points, points[:2]]), contour, self.line, cover=cover)


def plumage(pattern: Pattern, colours: tuple[Colour, Colour], shading: float = 0.2, gloss: float = 1.0) -> Paint:
    """A paint with a pattern in two colours that grows darker with v, as a round body does away from the light."""
    first = np.array(colours[0], dtype=np.float32) * gloss
    step = np.array(colours[1], dtype=np.float32) * gloss - first

    def paint(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = first + pattern(u, v).astype(np.float32)[..., None] * step  # (h, w, 3)
        colour *= (1.04 - shading * np.clip(v, -1, 1))[..., None]
        return np.clip(colour, 0, 255, out=colour).astype(np.uint8)

    return paint


def darker(colour: Colour, factor: float = 0.45) -> Colour:
    """The colour of a contour around this colour."""
    red, green, blue = colour
    return round(red * factor), round(green * factor), round(blue * factor)
