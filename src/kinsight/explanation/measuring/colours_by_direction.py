"""What colours alone say about a heading, without any network: the baseline of headings that are read off maps.

Panorama and aerial picture are cut into directions, each direction is described by its colours alone, each picture's own mean is taken
off, and the heading is where the best circular shift of the one lies upon the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from kinsight.pictures.directions import direction

DIRECTIONS = 256
_BLUR = 3  # directions, standard deviation
Description = Callable[[np.ndarray], np.ndarray]


def aerial_by_direction(aerial: Image.Image) -> np.ndarray:
    """(radii, DIRECTIONS, 3): an aerial picture as a panorama has it, by direction from the centre."""
    pixels = np.asarray(aerial, dtype=float)
    height, width = pixels.shape[:2]
    x, y = direction((np.arange(DIRECTIONS) + 0.5) * 360 / DIRECTIONS)
    radii = np.arange(2, min(height, width) / 2)[:, None]
    return pixels[(height / 2 + radii * y).astype(int), (width / 2 + radii * x).astype(int)]


def panorama_by_direction(panorama: Image.Image) -> np.ndarray:
    """(height, DIRECTIONS, 3)."""
    if panorama.width != DIRECTIONS:
        panorama = panorama.resize((DIRECTIONS, panorama.height), Image.Resampling.BOX)
    return np.asarray(panorama, dtype=float)


def histograms(colours: np.ndarray) -> np.ndarray:
    """(directions, 64): how often each of 4 x 4 x 4 colours occurs in a direction."""
    level = np.clip(colours // 64, 0, 3).astype(int)
    number = level @ (16, 4, 1)
    return np.stack([(number == each).mean(0) for each in range(64)], 1)


def equalised(colours: np.ndarray) -> np.ndarray:
    """(directions, 64): the same after every channel is spread evenly over the picture, so that light counts less."""
    order = colours.reshape(-1, 3).argsort(0).argsort(0)
    return histograms((order * 256 / len(order)).reshape(colours.shape))


def hues(colours: np.ndarray) -> np.ndarray:
    """(directions, 12): how much of each hue there is in a direction, whatever its brightness."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    one, other = red - (green + blue) / 2, (green - blue) * np.sqrt(0.75)
    turn = ((np.arctan2(other, one) / (2 * np.pi)) % 1 * 12).astype(int) % 12
    return np.stack([((turn == each) * np.hypot(one, other)).mean(0) for each in range(12)], 1)


def means(colours: np.ndarray) -> np.ndarray:
    """(directions, 3): the mean colour of a direction."""
    return colours.mean(0)


def best_shift(aerial: np.ndarray, panorama: np.ndarray) -> float:
    """The heading at which two descriptions (directions, bins) agree best."""
    spectra = [np.fft.rfft(_standard(each), axis=0) for each in (aerial, panorama)]
    agreement = np.fft.irfft((spectra[0] * spectra[1].conj()).sum(1), DIRECTIONS)
    return float(agreement.argmax() * 360 / DIRECTIONS)


def heading_of_colours(panorama: Image.Image, aerial: Image.Image, describe: Description = histograms) -> float:
    """The heading that colours say: a multiple of 360 / DIRECTIONS degrees."""
    return best_shift(describe(aerial_by_direction(aerial)), describe(panorama_by_direction(panorama)))


def _standard(described: np.ndarray) -> np.ndarray:
    away = np.minimum(np.arange(DIRECTIONS), DIRECTIONS - np.arange(DIRECTIONS))
    near = np.exp(-0.5 * (away / _BLUR) ** 2)
    smooth = np.fft.irfft(np.fft.rfft(described, axis=0) * np.fft.rfft(near / near.sum())[:, None], DIRECTIONS, axis=0)
    centred = smooth - smooth.mean(0)
    return centred / (np.sqrt((centred**2).mean()) + 1e-9)
