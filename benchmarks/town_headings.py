"""Can the heading of a rendered town be read off its colours alone? It should not: chance is 1.94 % within 3.5 degrees.

    python benchmarks/town_headings.py --places 300 --seed 1

Panorama and aerial picture are cut into directions, each direction is described by its colours alone (below), each
picture's own mean is taken off, and the heading is where the best circular shift of the one lies upon the other. As a
control the same is done between two panoramas of the same town and day, one of them turned: there it must succeed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.stats import binomtest

from kinsight.data.towns import render_place
from kinsight.explanation.measuring.colours_by_direction import (
    DIRECTIONS,
    Description,
    aerial_by_direction,
    best_shift,
    equalised,
    histograms,
    hues,
    means,
)
from kinsight.pictures.directions import difference

WITHIN = 3.5


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
    described: list[Description] = [histograms, equalised, hues, means]
    views = [(aerial_by_direction(place.aerial.image), np.asarray(place.street.image, dtype=float)) for place in places]
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
