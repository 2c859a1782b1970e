"""The colours of signed maps, the same on pages and in figures: warm is positive, cold is negative, zero is transparent.

Orange against blue is told apart with every common kind of colour blindness, and the two also differ from the grey of the picture below.
"""

from __future__ import annotations

import base64

import numpy as np

STEPS = 255  # colours on each side of zero
# Opacity grows faster than the value, so that a tenth of the scale can be seen at all; the legend shows the same ramp.
OPACITY_POWER = 0.6

_WARM = np.array([[255, 190, 90], [232, 66, 8]], np.float64)  # faint, full
_COLD = np.array([[125, 200, 255], [18, 84, 224]], np.float64)
_SHADE = np.array([6, 8, 12], np.float64)


def signed_ramp() -> np.ndarray:
    """(2 * STEPS + 1, 4) uint8 RGBA: from -1 over 0 (transparent) to +1, linear in the value."""
    shares = np.linspace(-1, 1, 2 * STEPS + 1)
    strength = np.abs(shares)[:, None]
    faint, full = (np.where(shares[:, None] < 0, _COLD[end], _WARM[end]) for end in (0, 1))
    colours = np.concatenate([faint + (full - faint) * strength, 255 * strength**OPACITY_POWER], 1)
    return np.round(colours).astype(np.uint8)


def signed_colours(values: np.ndarray, scale: float, ramp: np.ndarray | None = None) -> np.ndarray:
    """(...) -> (..., 4) uint8: values beyond plus or minus `scale` take the colour of its end; without a scale all is as at 0.

    The ramp is `signed_ramp` unless another is given.
    """
    shares = np.clip(values / scale, -1, 1) if scale > 0 else np.zeros_like(values)
    return (signed_ramp() if ramp is None else ramp)[np.floor(shares * STEPS + STEPS + 0.5).astype(int)]


def spotlight_ramp() -> np.ndarray:
    """(2 * STEPS + 1, 4) uint8 RGBA: shade over a picture, none where values are high, so that it shines there; blue where negative."""
    shares = np.linspace(-1, 1, 2 * STEPS + 1)[:, None]
    colours = np.where(shares < 0, _SHADE + (_COLD[1] - _SHADE) * -shares, _SHADE)
    opacity = 255 * (1 - np.maximum(shares, 0) ** OPACITY_POWER)
    return np.round(np.concatenate([colours, opacity], 1)).astype(np.uint8)


def packed_ramp(ramp: np.ndarray) -> str:
    """A ramp for a page's script, base64."""
    return base64.b64encode(ramp.tobytes()).decode()
