"""Can the heading of a rendered town be read off its colours alone? It should not: chance is 1.94 % within 3.5 degrees.

    python benchmarks/town_headings.py --places 300 --seed 1

Panorama and aerial picture are cut into directions, each direction is described by its colours alone (below), each
picture's own mean is taken off, and the heading is where the best circular shift of the one lies upon the other. As a
control the same is done between two panoramas of the same town and day, one of them turned: there it must succeed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.stats import binomtest

from kinsight.data.towns import render_place
from kinsight.pictures.directions import difference, direction

DIRECTIONS = 256
WITHIN = 3.5


def by_direction(aerial: Image.Image) -> np.ndarray:
    """(radii, DIRECTIONS, 3): an aerial picture as a panorama has it, by direction from the centre."""
    pixels = np.asarray(aerial, dtype=float)
    side = len(pixels)
    x, y = direction((np.arange(DIRECTIONS) + 0.5) * 360 / DIRECTIONS)
    radii = np.arange(2, side / 2)[:, None]
    return pixels[(side / 2 + radii * y).astype(int), (side / 2 + radii * x).astype(int)]


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


def _standard(described: np.ndarray) -> np.ndarray:
    near = np.exp(-0.5 * (np.minimum(np.arange(DIRECTIONS), DIRECTIONS - np.arange(DIRECTIONS)) / 3) ** 2)
    smooth = np.fft.irfft(np.fft.rfft(described, axis=0) * np.fft.rfft(near / near.sum())[:, None], DIRECTIONS, axis=0)
    centred = smooth - smooth.mean(0)
    return centred / (np.sqrt((centred**2).mean()) + 1e-9)


def main() -> None:
    """Render, guess, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.process_time()
    places = [render_place(options.seed, number) for number in range(options.places)]
    rate = 2 * options.places / (time.process_time() - start)
    true = np.array([place.heading for place in places])
    print(f"{options.places} places of seed {options.seed}, {rate:.1f} pictures a second of one core")
    described: list[Callable[[np.ndarray], np.ndarray]] = [histograms, equalised, hues, means]
    views = [(by_direction(place.aerial.image), np.asarray(place.street.image, dtype=float)) for place in places]
    rows = {"": lambda street: street, ", below the horizon": lambda street: street[int(0.5 * len(street)) :]}
    for describe in described:
        for said, part in rows.items():
            guessed = np.array([best_shift(describe(above), describe(part(street))) for above, street in views])
            _print(describe.__name__ + said, np.abs(difference(guessed, true)))
    turn = np.random.default_rng(0).integers(DIRECTIONS, size=len(views))
    guessed = np.array(
        [best_shift(means(street), means(np.roll(street, -k, 1))) for (_, street), k in zip(views, turn, strict=True)]
    )
    _print("control: a panorama in itself, means", np.abs(difference(guessed, turn * 360 / DIRECTIONS)))


def _print(name: str, errors: np.ndarray) -> None:
    right = int((errors <= WITHIN).sum())
    low, high = binomtest(right, len(errors)).proportion_ci(method="wilson")
    print(
        f"{name:40s} within {WITHIN} degrees {right / len(errors):6.1%} [{low:.1%}, {high:.1%}]"
        f"   median error {np.median(errors):5.1f}"
    )


if __name__ == "__main__":
    main()
