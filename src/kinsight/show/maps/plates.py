"""Pictures with what is drawn over them, and cards of several: what all pages of maps are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image
from scipy import ndimage

from kinsight.show.page import environment
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 420, 40_000
EDGE = np.array([60, 225, 230], np.uint8)  # of a mask


class Marks:
    """What is drawn over a picture, as SVG 100 units high; positions are given in shares of the picture's width and height."""

    def __init__(self, picture: Image.Image) -> None:
        self.wide = 100 * picture.width / picture.height
        self._drawn: list[str] = []

    @property
    def svg(self) -> Markup:
        return Markup("".join(self._drawn))

    def box(self, edges: np.ndarray, kind: str) -> Marks:
        """Left, top, right, bottom; nothing where there is no box."""
        if np.isfinite(edges).all():
            left, top, right, bottom = (np.asarray(edges) * [self.wide, 100, self.wide, 100]).tolist()
            self._twice(
                kind, f'<rect x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}"'
            )
        return self

    def ring(self, at: np.ndarray, radius: float, kind: str) -> Marks:
        """`radius` in shares of the height."""
        x, y = self._at(at)
        self._twice(kind, f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{100 * radius:.2f}"')
        return self

    def line(self, start: np.ndarray, end: np.ndarray, kind: str) -> Marks:
        (x, y), (u, v) = self._at(start), self._at(end)
        self._twice(kind, f'<path d="M{x:.2f} {y:.2f}L{u:.2f} {v:.2f}"')
        return self

    def number(self, at: np.ndarray, number: int, kind: str) -> Marks:
        """A number on a disc."""
        x, y = self._at(at)
        unit = min(self.wide, 100) / 100
        disc = f'<circle class="disc {kind}" cx="{x:.2f}" cy="{y:.2f}" r="{4.4 * unit:.2f}"/>'
        text = f'<text x="{x:.2f}" y="{y + 2.1 * unit:.2f}" font-size="{6 * unit:.2f}">{number}</text>'
        self._drawn.append(disc + text)
        return self

    def _at(self, share: np.ndarray) -> tuple[float, float]:
        return float(share[0]) * self.wide, float(share[1]) * 100

    def _twice(self, kind: str, element: str) -> None:
        # A dark line below a light one is seen on any picture.
        self._drawn += [f'{element} class="halo"/>', f'{element} class="{kind}"/>']


@dataclass(frozen=True)
class Plate:
    """One picture, what is drawn over it, and whether that is right, where one can say so."""

    picture: Image.Image
    caption: str
    marks: Marks
    right: bool | None = None

    @property
    def uri(self) -> str:
        return data_uri(self.picture, SIDE, LIMIT)


@dataclass(frozen=True)
class Card:
    """Pictures that belong together, and where it helps a chart beside them."""

    title: str
    plates: Sequence[Plate]
    chart: Markup | None = None
    note: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class MapsPage:
    """A page of maps.

    Attributes:
        title: of the tab and the page.
        verdict: what the numbers mean here, first of all.
        table: a head and rows of cells.
        about: what the columns of the table are.
        cards_title, cards_about: of the pictures.
        cards: the pictures.
        legend: class of a mark -> what it stands for.
        unit: of the numbers.
        charts: titled charts beside the table.
        record: what was measured, fact by fact.
    """

    title: str
    verdict: str
    table: Sequence[Sequence[str]]
    about: str
    cards_title: str
    cards_about: str
    cards: Sequence[Card]
    legend: dict[str, str]
    unit: str = "In percent, with 95 % intervals over classes."
    charts: Sequence[Any] = ()
    record: dict[str, str] = field(default_factory=dict)

    def html(self) -> str:
        """The page as one HTML text with every style and picture inside it."""
        return environment().get_template("maps.html").render(page=self)


def with_mask(picture: Image.Image, mask: np.ndarray) -> Image.Image:
    """The picture with a line round a mask (H, W) of the same part of it."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    inside = np.asarray(Image.fromarray(mask).resize(small.size, Image.Resampling.NEAREST))
    edge = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside, border_value=1)
    pixels = np.array(small)
    pixels[edge] = EDGE
    return Image.fromarray(pixels)


def evenly(order: np.ndarray, count: int) -> np.ndarray:
    """`count` of an order, from its first to its last at equal distances; all of it where it is shorter."""
    if len(order) <= count:
        return order
    return order[np.round(np.linspace(0, len(order) - 1, count)).astype(int)]
