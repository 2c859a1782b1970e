"""Made-up headings of a few places, with pictures that fit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from coloured_places import SIDE, place
from kinsight.explanation.measuring.orientation import COLOURS, Readings
from kinsight.explanation.measuring.orientation_result import Orientation, held
from kinsight.explanation.orientation.estimates import ESTIMATORS, OVERALL, POINT, VOTES
from kinsight.pictures.directions import direction

COUNT, PICTURES = 240, 3


@cache
def orientation(*, known: bool = True, chance: bool = False) -> Orientation:
    """Votes better than point maps better than overall maps, the surer the better; `chance`: all of them guess."""
    random = np.random.default_rng(3)
    true, turns = random.uniform(0, 360, (2, COUNT))
    height = random.uniform(1, 5, COUNT)
    found = {}
    for way, rate in ((OVERALL, 0.05), (POINT, 0.25), (VOTES, 0.5)):
        right = random.random(COUNT) < rate * height / 3
        far = random.uniform(0, 360, COUNT)
        found[way] = (true + np.where(right & (not chance), random.normal(0, 1.2, COUNT), far)) % 360
    rest = {way: random.uniform(0, 360, COUNT) for way in (*ESTIMATORS, COLOURS) if way not in found}
    across = random.uniform(0, 256, COUNT)
    x, y = direction(found[VOTES] + turns + across * 360 / 256)
    points = np.stack([across, random.uniform(20, 60, COUNT)], 1), SIDE * (0.5 + 0.3 * np.stack([x, y], 1))
    ways = {way: {**found, **rest}[way] for way in (*ESTIMATORS, COLOURS)}
    readings = Readings(ways, height, height / 2, *points, turns, random.uniform(0, 1, COUNT), 11.25, 1e-7, 2e-7)
    return held(readings, true if known else None)


def files(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The names, panoramas and aerial pictures of all pairs, which share a few."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        for view, picture in zip(("street", "aerial"), place(number, 40 * number), strict=True):
            picture.save(folder / f"{view}{number}.png")
    street, aerial = (
        [str(folder / f"{view}{number % PICTURES}.png") for number in range(COUNT)] for view in ("street", "aerial")
    )
    return [f"{number:05d}" for number in range(COUNT)], street, aerial
