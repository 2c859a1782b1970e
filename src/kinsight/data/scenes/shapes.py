"""The outlines that parts are cut from.

Every outline lies in its part's own coordinates: the joint at (0, 0), the tip near x = 1, and y about [-1, 1] across.
`Shape` adds how long and how wide the part is, in lengths of a body (beaks and heads: in radii of the head).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.data.scenes.geometry import centroid, ellipse, smooth


@dataclass(frozen=True)
class Shape:
    """An outline (M, 2), its length along x, its half width along y, and the point that stands for it."""

    outline: np.ndarray
    length: float
    width: float

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of gravity in the outline's own coordinates."""
        return centroid(self.outline)


def _body(length: float, depth: float, breast: float) -> Shape:
    # `breast` moves the fullness forwards (a pigeon) or backwards (a pear).
    round_body = ellipse(48)
    fullness = 1 + breast * (2 * round_body[:, :1] - 1)
    return Shape(round_body * np.concatenate([np.ones_like(fullness), fullness], axis=1), length, depth)


def _shape(length: float, width: float, points: list[tuple[float, float]]) -> Shape:
    return Shape(smooth(points), length, width)


BODIES = (
    _body(1.00, 0.30, 0.05),
    _body(0.88, 0.38, 0.00),
    _body(1.14, 0.26, 0.10),
    _body(0.96, 0.34, 0.25),
    _body(0.96, 0.34, -0.22),
    _body(1.08, 0.32, 0.20),
    _body(0.84, 0.33, 0.10),
    _body(1.10, 0.29, -0.12),
)

HEADS = {
    "round": Shape(ellipse(), 2.0, 1.0),
    "long": Shape(ellipse(), 2.3, 0.9),
}

# What a head wears, in the head's own coordinates; drawn behind it in its second colour.
HEADWEAR = {
    "crested": smooth(
        [(0.75, -0.6), (0.55, -1.45), (-0.45, -2.0), (-0.45, -2.0), (-0.1, -0.9), (-0.15, 0.1), (0.4, 0.3)]
    ),
    "tufted": smooth(
        [(0.6, -0.7), (0.85, -1.6), (0.75, -2.5), (0.5, -2.2), (0.45, -1.4), (0.2, -2.1), (0.0, -1.9), (0.3, -0.7)]
    ),
}

BEAKS = {
    "conebill": _shape(1.05, 0.55, [(0, -1), (0, -1), (0.55, -0.7), (1, 0.2), (1, 0.2), (0.5, 0.8), (0, 1), (0, 1)]),
    "daggerbill": _shape(2.3, 0.32, [(0, -1), (0, -1), (1, 0.1), (1, 0.1), (0, 1), (0, 1)]),
    "hookbill": _shape(
        1.4,
        0.62,
        [(0, -1), (0, -1), (0.7, -1.1), (1.1, -0.2), (0.95, 1.3), (0.95, 1.3), (0.72, 0.45), (0, 0.8), (0, 0.8)],
    ),
    "sicklebill": _shape(
        2.2,
        0.85,
        [
            (0, -0.5),
            (0, -0.5),
            (0.55, -0.6),
            (0.95, 0.2),
            (1, 1.3),
            (1, 1.3),
            (0.8, 0.5),
            (0.45, 0.12),
            (0, 0.3),
            (0, 0.3),
        ],
    ),
    "awlbill": _shape(
        2.2,
        0.85,
        [
            (0, 0.45),
            (0, 0.45),
            (0.55, 0.5),
            (0.95, -0.3),
            (1, -1.3),
            (1, -1.3),
            (0.8, -0.6),
            (0.45, -0.2),
            (0, -0.35),
            (0, -0.35),
        ],
    ),
    "spoonbill": _shape(
        2.1,
        0.55,
        [
            (0, -0.6),
            (0, -0.6),
            (0.55, -0.25),
            (0.75, -1.1),
            (1.05, -1),
            (1.05, 1),
            (0.75, 1.1),
            (0.55, 0.3),
            (0, 0.6),
            (0, 0.6),
        ],
    ),
    "keelbill": _shape(
        2.0,
        0.85,
        [(0, -0.8), (0, -0.8), (0.5, -1.25), (0.9, -0.95), (1.05, 0.9), (1.05, 0.9), (0.7, 0.75), (0, 0.8), (0, 0.8)],
    ),
    "thornbill": _shape(0.75, 0.3, [(0, -1), (0, -1), (1, 0.1), (1, 0.1), (0, 1), (0, 1)]),
}

# Wings: +y is the leading edge.
WINGS = {
    "round": _shape(
        0.74,
        0.25,
        [(-0.05, 0.1), (0.1, 0.9), (0.6, 1.1), (1, 0.6), (1.06, -0.2), (0.8, -0.9), (0.35, -1.15), (0, -0.6)],
    ),
    "pointed": _shape(
        0.92,
        0.22,
        [(-0.05, 0.1), (0.1, 1), (0.55, 0.95), (1.05, -0.2), (1.05, -0.2), (0.6, -0.8), (0.3, -1.2), (0, -0.6)],
    ),
    "broad": _shape(
        0.68,
        0.3,
        [(-0.05, 0.1), (0.1, 0.8), (0.6, 0.9), (1.02, 0.9), (1.05, -0.6), (0.9, -1.15), (0.3, -1.1), (0, -0.6)],
    ),
    "fingered": _shape(
        0.86,
        0.27,
        [
            (-0.05, 0.1),
            (0.1, 0.9),
            (0.6, 1),
            (1.05, 0.4),
            (1.05, 0.1),
            (0.8, 0.05),
            (0.8, 0.05),
            (0.98, -0.35),
            (0.9, -0.6),
        ]
        + [
            (0.66, -0.4),
            (0.66, -0.4),
            (0.8, -0.9),
            (0.7, -1.1),
            (0.48, -0.75),
            (0.48, -0.75),
            (0.5, -1.2),
            (0.3, -1.2),
            (0, -0.6),
        ],
    ),
}

TAILS = {
    "forktail": _shape(
        0.66,
        0.27,
        [
            (-0.1, 0.4),
            (0.5, 0.55),
            (1, 1.1),
            (1, 1.1),
            (0.62, 0),
            (0.62, 0),
            (1, -1.1),
            (1, -1.1),
            (0.5, -0.55),
            (-0.1, -0.4),
        ],
    ),
    "fantail": _shape(
        0.5,
        0.36,
        [
            (-0.1, 0.25),
            (0.5, 0.8),
            (0.85, 1.1),
            (1.05, 0.5),
            (1.1, 0),
            (1.05, -0.5),
            (0.85, -1.1),
            (0.5, -0.8),
            (-0.1, -0.25),
        ],
    ),
    "ribbontail": _shape(0.84, 0.09, [(-0.1, 0.9), (0.5, 0.9), (1.02, 0.9), (1.02, -0.9), (0.5, -0.9), (-0.1, -0.9)]),
    "stubtail": _shape(0.3, 0.17, [(-0.2, 1), (0.5, 1), (1, 0.9), (1.1, 0), (1, -0.9), (0.5, -1), (-0.2, -1)]),
    "pintail": _shape(
        0.74,
        0.17,
        [(-0.1, 0.7), (0.3, 1.1), (0.6, 0.35), (1.05, 0), (1.05, 0), (0.6, -0.35), (0.3, -1.1), (-0.1, -0.7)],
    ),
    "wedgetail": _shape(
        0.6, 0.27, [(-0.1, 0.3), (0.6, 1.1), (0.6, 1.1), (1.05, 0), (1.05, 0), (0.6, -1.1), (0.6, -1.1), (-0.1, -0.3)]
    ),
    "squaretail": _shape(0.55, 0.18, [(-0.1, 0.7), (0.95, 1), (0.95, 1), (0.95, -1), (0.95, -1), (-0.1, -0.7)]),
    "rackettail": _shape(
        0.78,
        0.2,
        [
            (-0.1, 0.35),
            (0.3, 0.2),
            (0.55, 0.25),
            (0.7, 1.1),
            (0.95, 1.1),
            (1.1, 0),
            (0.95, -1.1),
            (0.7, -1.1),
            (0.55, -0.25),
            (0.3, -0.2),
            (-0.1, -0.35),
        ],
    ),
}
