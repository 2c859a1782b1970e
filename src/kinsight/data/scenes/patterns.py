"""Plumage patterns: how much of the second colour a point of a part has.

Every pattern maps the part's own coordinates to weights in [0, 1] of the same shape: u runs from 0 at the joint to 1 at
the tip (on a body from tail to breast, on a head from nape to beak), v from -1 to 1 across.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _spots(u: np.ndarray, v: np.ndarray, along: float = 4.0, across: float = 1.6, radius: float = 0.36) -> np.ndarray:
    row = np.floor(v * across)
    x = (u * along + 0.5 * row) % 1.0 - 0.5
    y = (v * across) % 1.0 - 0.5
    return x * x + y * y < radius * radius


def _scales(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    row = np.floor(u * 4.5)
    x = (v * 1.7 + 0.5 * row) % 1.0 - 0.5
    y = (u * 4.5) % 1.0
    return np.abs(y - 0.25 - 2.2 * x * x) < 0.2


PATTERNS: dict[str, Pattern] = {
    # Wings and tails.
    "plain": lambda u, v: np.zeros_like(u),
    "barred": lambda u, v: (u * 4.2) % 1.0 < 0.45,
    "striped": lambda u, v: (v * 2.0 + 0.2) % 1.0 < 0.45,
    "spotted": lambda u, v: _spots(u, v),
    "checked": lambda u, v: ((np.floor(u * 5) + np.floor(v * 2.2)) % 2) > 0,
    "scaled": _scales,
    "banded": lambda u, v: (np.abs(u - 0.5) < 0.13) | (u > 0.84),
    "shaded": lambda u, v: np.clip(1.5 * u - 0.35, 0, 1),
    "edged": lambda u, v: v < -0.25,
    "tipped": lambda u, v: u > 0.66,
    # Bodies.
    "bellied": lambda u, v: v > 0.15 + 0.5 * (u - 0.5),
    "bibbed": lambda u, v: (u > 0.62) & (v > -0.6),
    "rumped": lambda u, v: u < 0.33,
    "speckled": lambda u, v: _spots(u, v, 7.0, 2.6, 0.3),
    "girdled": lambda u, v: np.abs(u - 0.66) < 0.1,
    # Heads. The eye is at (0.62, -0.12).
    "capped": lambda u, v: v < -0.3,
    "masked": lambda u, v: (np.abs(v + 0.1) < 0.27) & (u > 0.15),
    "collared": lambda u, v: v - 0.9 * u > 0.0,
    "cheeked": lambda u, v: (2 * u - 0.75) ** 2 + (v - 0.42) ** 2 < 0.15,
}
