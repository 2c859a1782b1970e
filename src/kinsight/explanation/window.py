"""Between the pixels of the network's input and those of the upright picture.

Positions are continuous: pixel number i reaches from i to i + 1. Boxes are left, top, right, bottom.
"""

from __future__ import annotations

import numpy as np

Window = tuple[float, float, float, float]


def to_picture(boxes: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """Boxes (..., 4) in pixels of the network's input of `size` (height, width), in pixels of the upright picture."""
    left, top, right, bottom = window
    across, down = (right - left) / size[1], (bottom - top) / size[0]
    return np.asarray(boxes) * [across, down, across, down] + [left, top, left, top]


def to_input(boxes: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """The way back from `to_picture`; parts outside of the window come to lie outside of the input."""
    left, top, right, bottom = window
    across, down = size[1] / (right - left), size[0] / (bottom - top)
    return (np.asarray(boxes) - [left, top, left, top]) * [across, down, across, down]
