"""One picture of one species, and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kinsight.data.scenes.bird import Pose, paint_bird
from kinsight.data.scenes.canvas import Canvas
from kinsight.data.scenes.light import illuminated, photographed
from kinsight.data.scenes.species import PartName, Species
from kinsight.data.scenes.surroundings import backdrop, paint_across, paint_behind
from kinsight.errors import KinsightError

_FINER = 3  # the drawing has so many times the rows and columns of the picture: averaging them smooths every edge
SMALLEST = 32
LARGEST = 1024


@dataclass(frozen=True)
class Part:
    """The centre of a part in pixels, and whether the bird is what one sees there.

    Not visible: something lies across it, or it is beyond the border of the picture.
    """

    x: float
    y: float
    visible: bool


@dataclass(frozen=True)
class Scene:
    """A picture (RGB), the visible pixels of its bird (L, 0 or 255), their box (half open), and the parts."""

    image: Image.Image
    mask: Image.Image
    box: tuple[int, int, int, int]
    parts: dict[PartName, Part]


def render(species: Species, seed: int, index: int, size: int = 96) -> Scene:
    """Draw picture `index` of a species, `size` pixels high and wide.

    A pure function of the arguments: the species gives the looks; (seed, species.number, index) give the pose, the
    light and the surroundings, which are the same at every size.

    Raises:
        KinsightError: a number is negative, or the size is not between `SMALLEST` and `LARGEST`.
    """
    if seed < 0 or index < 0:
        raise KinsightError(f"seed {seed} and index {index}: neither may be negative; give 0 or more")
    if not SMALLEST <= size <= LARGEST:
        raise KinsightError(f"pictures of {size} pixels cannot be rendered; give a size from {SMALLEST} to {LARGEST}")
    streams = np.random.SeedSequence((seed, species.number, index)).spawn(5)
    around, pose, across, light, sensor = (np.random.default_rng(stream) for stream in streams)

    canvas = Canvas(backdrop(around, size * _FINER), line=max(1, round(size * _FINER / 144)))
    paint_behind(canvas, around)
    centres = paint_bird(canvas, species, Pose.drawn(pose))
    paint_across(canvas, across)

    image = photographed(illuminated(canvas.image.reduce(_FINER), light), sensor)
    mask = canvas.mask.reduce(_FINER).point([0] * 128 + [255] * 128)
    box = mask.getbbox()
    assert box is not None  # poses keep a bird in the picture, and most of it stays uncovered
    return Scene(image, mask, box, {name: _part(centre / _FINER, mask) for name, centre in centres.items()})


def _part(centre: np.ndarray, mask: Image.Image) -> Part:
    x, y = centre.tolist()
    within = 0 <= x < mask.width and 0 <= y < mask.height
    return Part(round(x, 2), round(y, 2), bool(within and mask.getpixel((int(x), int(y)))))
