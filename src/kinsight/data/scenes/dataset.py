"""A folder of rendered pictures: a data set with a known truth that needs no download."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from kinsight.data.rendered_folder import already_written, each, require_within, workers_for, write_settings
from kinsight.data.scenes.drawing import LARGEST, PART_NUMBERS, SMALLEST, render
from kinsight.data.scenes.species import MOST_SPECIES, Species, species
from kinsight.files import writing_folder

_VERSION = 1  # of the drawing: raised when the same settings give other pictures
_JPEG_QUALITY = 92
_Row = dict[str, Any]

_README = """Rendered pictures of birds that do not exist.

Nothing here was photographed. Kinsight drew these pictures from a seed, so boxes, masks and part positions are exact.
A class is a species: one variant each of body, head, beak, wing and tail. Species share variants; no two have the same
five.

{settings}

metadata.csv     one row a picture: its class, its split (the first half of the classes is train, the rest test), the box
                 and the masks of what is visible of the bird (pixels, half open), and its source
parts.csv        one row a part of a picture: its centre in pixels, and whether (1 or 0) the bird is visible there
part_labels.csv  the numbers of the part masks, and what they stand for
images/          the pictures
masks/           255 where the bird is visible, else 0
part_masks/      the number of the part that is visible; 0 where there is none (legs are none)
scenes.json      the settings above; the same settings give the same pictures
"""


def write_scenes(
    folder: str | Path,
    *,
    classes: int = 32,
    per_class: int = 24,
    size: int = 96,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> Path:
    """Render a data set into `folder`, whole or not at all, and give the folder's path.

    A folder that already holds these settings is left as it is. Adding classes or pictures per class never changes the
    pictures of the ones before. From 16 classes on every part variant of a test class also occurs in a train class.

    Args:
        folder: where to write; absent, empty, or written earlier with the same settings.
        classes: species; the first half (rounded up) is `train`, the rest `test`.
        per_class: pictures of every species.
        size: height and width of every picture in pixels.
        seed: the world: its part variants, its species and all their pictures.
        workers: processes; None takes one for every available core. The pictures do not depend on it.
        progress: show a bar.

    Raises:
        KinsightError: a setting is out of range, or the folder holds something else.
    """
    folder = Path(folder)
    settings = {"version": _VERSION, "classes": classes, "per_class": per_class, "size": size, "seed": seed}
    _check(settings, workers)
    if already_written(folder, settings):
        return folder
    kinds = species(seed, classes)
    if workers is None:
        workers = workers_for(classes * per_class)
    with writing_folder(folder) as temporary:
        for kind in kinds:
            (temporary / "images" / kind.name).mkdir(parents=True)
            (temporary / "masks" / kind.name).mkdir(parents=True)
            (temporary / "part_masks" / kind.name).mkdir(parents=True)
        job = partial(_write_species, folder=temporary, per_class=per_class, size=size, seed=seed)
        written = [rows for of_species in each(job, kinds, workers, "class", progress) for rows in of_species]
        seen = {kind.name for kind in kinds[: (classes + 1) // 2]}
        pictures = pd.DataFrame([picture for picture, _ in written])
        pictures.insert(3, "split", ["train" if name in seen else "test" for name in pictures["class_name"]])
        pictures.to_csv(temporary / "metadata.csv", index=False)
        pd.DataFrame([part for _, parts in written for part in parts]).to_csv(temporary / "parts.csv", index=False)
        numbers = pd.DataFrame({"number": list(PART_NUMBERS.values()), "part": list(PART_NUMBERS)})
        numbers.to_csv(temporary / "part_labels.csv", index=False)
        write_settings(temporary, settings, _README)
    return folder


def _write_species(
    kind: Species, *, folder: Path, per_class: int, size: int, seed: int
) -> list[tuple[_Row, list[_Row]]]:
    rows = []
    digits = max(3, len(str(per_class - 1)))
    for index in range(per_class):
        scene = render(kind, seed, index, size)
        place = f"{kind.name}/{index:0{digits}d}"
        picture: _Row = {"path": f"images/{place}.jpg", "label": kind.number, "class_name": kind.name}
        picture |= {"width": size, "height": size}
        picture |= dict(zip(("x_1", "y_1", "x_2", "y_2"), scene.box, strict=True))
        picture |= {
            "mask_path": f"masks/{place}.png",
            "part_mask_path": f"part_masks/{place}.png",
            "source": "rendered",
        }
        # Full colour resolution: a beak of a few pixels would otherwise lose its colour.
        scene.image.save(folder / picture["path"], quality=_JPEG_QUALITY, subsampling=0)
        scene.mask.save(folder / picture["mask_path"])
        scene.part_mask.save(folder / picture["part_mask_path"])
        parts: list[_Row] = [
            {"path": picture["path"], "part": name, "x": part.x, "y": part.y, "visible": int(part.visible)}
            for name, part in scene.parts.items()
        ]
        rows.append((picture, parts))
    return rows


def _check(settings: dict[str, int], workers: int | None) -> None:
    require_within(
        settings,
        workers,
        classes=(2, MOST_SPECIES),
        per_class=(1, 100_000),
        size=(SMALLEST, LARGEST),
    )
