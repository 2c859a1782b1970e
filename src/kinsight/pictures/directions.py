"""Where a panorama and an aerial picture of one place look: the one place where these conventions stand.

- **Angles** are degrees. They grow **clockwise seen from above**: to the right in a panorama, and from up over right to
  down in an aerial picture, as the needle of a compass turns.
- **Zero** of an aerial picture is up from its centre, where the camera of the panorama stands. Zero of a panorama is its
  left border; going round once ends at its right border, which is the left one again.
- **Positions** are pixels from the left and from the upper border, as boxes have them: the middle of the first pixel is
  at 0.5, and column c of W looks in the middle at 360 (c + 0.5) / W. Where middles of pixels stand at whole numbers, as in
  the centres of a map's places, add 0.5.
- The **heading** is the angle in the aerial picture at which the panorama's left border looks. What stands at `a` in the
  panorama therefore stands at `heading + a` in the aerial picture ("Visual Explanation for Deep Metric Learning", cross-view
  orientation: estimate = aerial angle - street angle).

From this follows: rolling a panorama k columns to the right lowers the heading by 360 k / W; turning an aerial picture
clockwise by `a` raises it by `a`. Differences of angles are counted the shorter way round, in (-180, 180].
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from PIL import Image

Angles = float | np.ndarray
Pixels = TypeVar("Pixels", bound=np.ndarray)


def around(angle: Angles) -> Angles:
    """The same direction in [0, 360)."""
    turned = np.mod(angle, 360.0)
    return np.where(turned == 360.0, 0.0, turned)[()]  # what is barely below zero rounds up to 360


def difference(angle: Angles, other: Angles) -> Angles:
    """How far one must turn from `other` to `angle`, the shorter way: in (-180, 180], clockwise positive."""
    return 180.0 - around(180.0 - (np.asarray(angle, dtype=float) - other))


def panorama_angle(x: Angles, width: int) -> Angles:
    """The angle at position x of a panorama that is `width` pixels wide."""
    return around(np.multiply(x, 360.0 / width))


def panorama_position(angle: Angles, width: int) -> Angles:
    """The position in [0, width) at which a panorama shows an angle."""
    return around(angle) * (width / 360.0)


def aerial_angle(x: Angles, y: Angles, width: int, height: int) -> Angles:
    """The polar angle at position (x, y) of an aerial picture about its centre; at the centre itself 0."""
    return around(np.degrees(np.arctan2(np.subtract(x, width / 2), np.subtract(height / 2, y))))


def direction(angle: Angles) -> tuple[Angles, Angles]:
    """Right and down in an aerial picture: the step (x, y) of length 1 that goes an angle's way."""
    radians = np.radians(angle)
    return np.sin(radians), -np.cos(radians)


def heading(aerial: Angles, panorama: Angles) -> Angles:
    """The heading, in [0, 360), at which an angle of the aerial picture and one of the panorama are the same thing."""
    return around(np.subtract(aerial, panorama))


def rolled(panorama: Pixels, columns: int) -> Pixels:
    """A panorama (height, width, ...) rolled to the right by whole columns: angles grow by 360 columns / width."""
    return np.roll(panorama, columns, axis=1)


def turned(aerial: Image.Image, degrees: float) -> Image.Image:
    """An aerial picture turned clockwise about its centre, at the same size; corners that nothing covers are black."""
    return aerial.rotate(-degrees, Image.Resampling.BICUBIC)
