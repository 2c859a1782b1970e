"""Random distortions of a picture that torchvision lacks, in the form that the published presets use.

Each is a picklable callable from PIL picture to PIL picture, and draws from torch's CPU generator
only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from kinsight.pictures.directions import rolled, turned


def _uniform(limit: float) -> float:
    """A number between -limit and limit."""
    return (2 * torch.rand(()).item() - 1) * limit


def _integer(low: int, high: int) -> int:
    """A whole number from low to high, both possible."""
    return int(torch.randint(low, high + 1, ()))


@dataclass(frozen=True)
class ShiftRotate:
    """Rotate around the centre, then shift; what comes in from outside mirrors the picture (no black corners).

    Attributes:
        shift: largest shift in each direction, as a fraction of the width or the height.
        degrees: largest angle to either side.
    """

    shift: float
    degrees: float

    def __call__(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        angle = math.radians(_uniform(self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        right, down = _uniform(self.shift) * width, _uniform(self.shift) * height
        # A pixel (x, y) of the answer is read at (cos u + sin v, -sin u + cos v) from the centre, where u = x - centre
        # - shift.
        reach_x = (abs(cos) * (width / 2 + abs(right)) + abs(sin) * (height / 2 + abs(down))) - width / 2
        reach_y = (abs(sin) * (width / 2 + abs(right)) + abs(cos) * (height / 2 + abs(down))) - height / 2
        across, along = max(0, math.ceil(reach_x)) + 1, max(0, math.ceil(reach_y)) + 1  # one more for the interpolation
        mirrored = np.pad(np.asarray(image), ((along, along), (across, across), (0, 0)), mode="reflect")
        u, v = -width / 2 - right, -height / 2 - down
        origin_x = cos * u + sin * v + width / 2 + across
        origin_y = -sin * u + cos * v + height / 2 + along
        matrix = (cos, sin, origin_x, -sin, cos, origin_y)
        return Image.fromarray(mirrored).transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )


@dataclass(frozen=True)
class Turn:
    """Turn an aerial picture by any angle about its centre; the corners that nothing covers must be cut away afterwards."""

    def __call__(self, image: Image.Image) -> Image.Image:
        side = min(image.size)  # what is longer would lose more than its corners
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return turned(image.crop((left, top, left + side, top + side)), 360 * torch.rand(()).item())


@dataclass(frozen=True)
class Roll:
    """Let a panorama begin at any of its columns."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return Image.fromarray(rolled(np.asarray(image), _integer(0, image.width - 1)))


@dataclass(frozen=True)
class BrightnessContrast:
    """Multiply all values by a number near 1 and add a number near 0, as albumentations' RandomBrightnessContrast.

    Attributes:
        brightness: largest value added or taken away, as a fraction of the full range.
        contrast: largest change of the factor.
    """

    brightness: float
    contrast: float

    def __call__(self, image: Image.Image) -> Image.Image:
        factor, offset = 1 + _uniform(self.contrast), _uniform(self.brightness) * 255
        table = np.clip(np.rint(np.arange(256) * factor + offset), 0, 255).astype(int).tolist()
        return image.point(table * len(image.getbands()))


@dataclass(frozen=True)
class CoarseDropout:
    """Cover 1 to `holes` rectangles with black, each side 1 to `side` pixels long (after DeVries & Taylor 2017)."""

    holes: int
    side: int

    def __call__(self, image: Image.Image) -> Image.Image:
        image = image.copy()
        for _ in range(_integer(1, self.holes)):
            width, height = (min(_integer(1, self.side), length) for length in image.size)
            x, y = _integer(0, image.width - width), _integer(0, image.height - height)
            image.paste((0, 0, 0), (x, y, x + width, y + height))
        return image


@dataclass(frozen=True)
class BoxBlur:
    """The mean over a square window.

    Attributes:
        kernels: sides of the window to choose from, in units.
        unit: length of a unit in pixels; fractions are exact, since border pixels of the window count in part.
    """

    kernels: tuple[int, ...]
    unit: float

    def __call__(self, image: Image.Image) -> Image.Image:
        kernel = self.kernels[_integer(0, len(self.kernels) - 1)]
        return image.filter(ImageFilter.BoxBlur((kernel - 1) / 2 * self.unit))


@dataclass(frozen=True)
class RelativeCrop:
    """A random crop whose shape follows the picture's, resized to the network's input.

    Where the test transform squashes the whole picture, crops of a fixed shape would show the network half of a wide car in
    training and all of it at test time. Here a ratio of 1 is the picture's own shape.

    Attributes:
        size: height and width of the result, the only distortion here that changes the picture's size.
        lowest: smallest share of the picture's area; the largest is all of it.
        ratio: smallest and largest width over height, divided by the picture's own.
    """

    size: tuple[int, int]
    lowest: float
    ratio: tuple[float, float]

    def __call__(self, image: Image.Image) -> Image.Image:
        shape = image.width / image.height
        ratio = [ratio * shape for ratio in self.ratio]
        place = RandomResizedCrop.get_params(image, [self.lowest, 1.0], ratio)
        return resized_crop(image, *place, list(self.size))
