"""One picture of one species, and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kinsight.data.scenes.bird import Pose, paint_bird
from kinsight.data.scenes.canvas import COVER, SURROUNDINGS, UNNAMED, Canvas
from kinsight.data.scenes.light import illuminated, photographed
from kinsight.data.scenes.species import PartName, Species
from kinsight.data.scenes.surroundings import backdrop, paint_across, paint_behind
from kinsight.errors import KinsightError

_FINER = 3  # the drawing has so many times the rows and columns of the picture: averaging them smooths every edge
_BIRD = [0] + [255] * 255  # any cover but the surroundings
_ONLY = {number: [255 * (each == number) for each in range(256)] for number in (UNNAMED, *COVER.values())}
PART_NUMBERS = COVER  # of a part mask
_PALETTE = (0, 0, 0, 230, 159, 0, 86, 180, 233, 240, 228, 66, 0, 158, 115, 213, 94, 0)  # of Okabe and Ito
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
    """A picture and all that is true of it.

    Attributes:
        image: RGB.
        mask: L, 255 where the bird is visible, else 0.
        part_mask: P, the number of the part that is visible (`PART_NUMBERS`), 0 where none of them is.
        box: of the mask, half open.
        parts: their centres.
    """

    image: Image.Image
    mask: Image.Image
    part_mask: Image.Image
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
    mask = canvas.cover.point(_BIRD).reduce(_FINER).point([0] * 128 + [255] * 128)
    box = mask.getbbox()
    assert box is not None  # poses keep a bird in the picture, and most of it stays uncovered
    return Scene(
        image,
        mask,
        _part_mask(canvas.cover, mask, box),
        box,
        {name: _part(centre / _FINER, mask) for name, centre in centres.items()},
    )


def _part_mask(cover: Image.Image, mask: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Of every pixel of the bird the part that covers most of it; legs, which are no part, count against parts."""
    left, top, right, bottom = box
    bird = cover.crop((left * _FINER, top * _FINER, right * _FINER, bottom * _FINER))
    shares = [np.asarray(bird.point(only).reduce(_FINER)) for only in _ONLY.values()]
    found = np.array(list(_ONLY), np.uint8)[np.stack(shares).argmax(0)]  # (h, w) of the box
    found[(found == UNNAMED) | (np.asarray(mask.crop(box)) == 0)] = SURROUNDINGS
    image = Image.new("P", mask.size, SURROUNDINGS)
    image.paste(Image.fromarray(found), box)
    image.putpalette(_PALETTE)  # so that a person sees the parts, too
    return image


def _part(centre: np.ndarray, mask: Image.Image) -> Part:
    x, y = centre.tolist()
    within = 0 <= x < mask.width and 0 <= y < mask.height
    return Part(round(x, 2), round(y, 2), bool(within and mask.getpixel((int(x), int(y)))))
