"""A folder of rendered towns: pairs of pictures whose heading is known, without a download."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from kinsight.data.rendered_folder import already_written, each, require_within, workers_for, write_settings
from kinsight.data.towns.place import LARGEST, SMALLEST, render_place
from kinsight.files import writing_folder

_VERSION = 2  # of the drawing: raised when the same settings give other pictures
_JPEG_QUALITY = 92
# By the number of the place, so that more places leave the split of the others alone: 5 train, 1 validates, 2 test.
_SPLITS = ("train", "train", "train", "validation", "train", "train", "test", "test")
_Row = dict[str, Any]

_README = """Rendered pictures of towns that do not exist.

Nothing here was photographed. Kinsight drew these pictures from a seed, so what stands where is exact. Every place is seen
twice: all around from a street (a panorama on a cylinder), and from straight above, on two days of different seasons. Cars
move between the two, all else stays. The camera of the panorama stands in the middle of the aerial picture.

{settings}

metadata.csv     two rows a place, which is their label and their pair; view: street or aerial; split: of places
  heading        the angle in the aerial picture at which the left border of the panorama looks, in degrees; angles grow
                 clockwise, from up in the aerial picture, from the left border in the panorama
things.csv       buildings, trees and landmarks within the aerial picture: x and y in its pixels, column in the panorama's,
                 distance in metres, and how many pixels of the panorama show it (0: something hides it)
street/ aerial/  the pictures
scenes.json      the settings above; the same settings give the same pictures
"""


def write_towns(
    folder: str | Path,
    *,
    places: int = 2000,
    size: int = 96,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> Path:
    """Render towns into `folder`, whole or not at all, and give the folder's path.

    A folder that already holds these settings is left as it is. Adding places never changes the pictures, nor the split,
    of the ones before.

    Args:
        folder: where to write; absent, empty, or written earlier with the same settings.
        places: towns, of two pictures each; of every eight, five train, one validates and two test.
        size: height and width of the aerial pictures in pixels; panoramas are 8/3 as wide and 2/3 as high.
        seed: the world: all its towns.
        workers: processes; None takes one for every available core. The pictures do not depend on it.
        progress: show a bar.

    Raises:
        KinsightError: a setting is out of range, or the folder holds something else.
    """
    folder = Path(folder)
    settings = {"version": _VERSION, "kind": "towns", "places": places, "size": size, "seed": seed}
    require_within(settings, workers, places=(8, 100_000), size=(SMALLEST, LARGEST))
    if already_written(folder, settings):
        return folder
    if workers is None:
        workers = workers_for(2 * places)
    with writing_folder(folder) as temporary:
        for view in ("street", "aerial"):
            (temporary / view).mkdir(parents=True)
        job = partial(_write_place, folder=temporary, size=size, seed=seed)
        written = list(each(job, range(places), workers, "place", progress))
        pd.DataFrame([row for rows, _ in written for row in rows]).to_csv(temporary / "metadata.csv", index=False)
        pd.DataFrame([row for _, rows in written for row in rows]).to_csv(temporary / "things.csv", index=False)
        write_settings(temporary, settings, _README)
    return folder


def _write_place(number: int, *, folder: Path, size: int, seed: int) -> tuple[list[_Row], list[_Row]]:
    place = render_place(seed, number, size)
    name, split = f"{number:05d}", _SPLITS[number % len(_SPLITS)]
    rows: list[_Row] = []
    for view, seen in (("street", place.street), ("aerial", place.aerial)):
        path = f"{view}/{name}.jpg"
        seen.image.save(folder / path, quality=_JPEG_QUALITY, subsampling=0)
        row = {"path": path, "label": number, "pair": name, "view": view, "split": split, "heading": place.heading}
        row |= {"width": seen.image.width, "height": seen.image.height}
        rows.append({**row, "season": seen.season, "sky": seen.sky, "source": "rendered"})
    return rows, [{"pair": name, **vars(thing)} for thing in place.things]
