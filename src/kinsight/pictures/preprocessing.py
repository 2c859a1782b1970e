"""What a network is fed with at test time; stored in the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from kinsight.errors import KinsightError
from kinsight.registry import shown

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MOST_PIXELS = 16_384  # a side beyond it is a slip, and would take all memory


@dataclass(frozen=True)
class Preprocessing:
    """From an upright RGB picture to the tensor that a network expects.

    Attributes:
        size: height and width of the network's input in pixels, or one number for both.
        resize: length of the shorter side before the centre crop of `size`; None squashes the whole picture to `size`.
        mean: subtracted from each channel, in the order of the network's channels (blue first where `bgr`).
        std: each channel is divided by it afterwards, in the same order.
        bgr: whether the network takes blue, green, red.
        scale: 1 or 255, the brightest value before `mean` is subtracted.

    Raises:
        KinsightError: a value that makes no sense.
    """

    size: int | tuple[int, int] = 224
    resize: int | None = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    bgr: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        size = _size(self.size)
        values = {
            "size": size[0] if size[0] == size[1] else size,  # one spelling, so that equal settings compare equal
            "resize": None if self.resize is None else _pixels("resize", self.resize),
            "mean": _channels("mean", self.mean),
            "std": _channels("std", self.std),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if min(self.std) <= 0:
            raise KinsightError(f"preprocessing: std {self.std} is not positive; give three numbers above 0")
        if not isinstance(self.bgr, bool):
            raise KinsightError(f"preprocessing: bgr {shown(self.bgr)} is not a truth value; write true or false")
        if isinstance(self.scale, bool) or self.scale not in (1, 255):
            raise KinsightError(f"preprocessing: scale {shown(self.scale)} is not known; write 1 or 255")
        object.__setattr__(self, "scale", float(self.scale))
        if self.resize is not None and self.resize < max(size):
            raise KinsightError(
                f"preprocessing: resize {self.resize} is smaller than its crop {size[0]} x {size[1]}; "
                f"write resize {max(size)} or more, or null to squash the whole picture"
            )

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        return _size(self.size)

    @property
    def square(self) -> bool:
        """Whether the network's input is as high as it is wide."""
        return isinstance(self.size, int)

    @property
    def shorter_side(self) -> int:
        """The shorter side that a picture must at least have, in pixels, so that it is never enlarged here."""
        return max(self.height_width) if self.resize is None else self.resize

    def transform(self) -> Callable[[Image.Image], Tensor]:
        """The test transform: RGB picture to tensor (3, H, W); smaller pictures are enlarged."""
        return v2.Compose([*self.steps(), self.tensor])

    def steps(self) -> list[Callable[[Image.Image], Image.Image]]:
        """What the test transform does to the picture before `tensor`."""
        if self.resize is None:
            return [v2.Resize(self.height_width)]
        return [v2.Resize(self.resize), v2.CenterCrop(self.height_width)]

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """What the network sees of a picture: left, top, right, bottom in pixels of that picture."""
        if self.resize is None:
            return 0.0, 0.0, float(width), float(height)
        shorter = min(height, width)
        large = [self.resize * side // shorter for side in (height, width)]  # as torchvision rounds
        spans = []
        for side, resized, crop in zip((height, width), large, self.height_width, strict=True):
            start = round((resized - crop) / 2)
            spans.append((start * side / resized, (start + crop) * side / resized))
        (top, bottom), (left, right) = spans
        return left, top, right, bottom

    def tensor(self, image: Image.Image) -> Tensor:
        """The last step of every transform, also in training: range, channel order, mean and standard deviation."""
        pixels = pil_to_tensor(image).to(torch.float32)  # (3, H, W)
        if self.bgr:
            pixels = pixels.flip(0)
        return pixels.mul_(self.scale / 255).sub_(_column(self.mean)).div_(_column(self.std))

    def undo(self, tensor: Tensor) -> np.ndarray:
        """From tensors (..., 3, H, W) back to uint8 RGB pictures (..., H, W, 3), for display."""
        pixels = tensor.detach().to("cpu", torch.float32) * _column(self.std) + _column(self.mean)
        if self.bgr:
            pixels = pixels.flip(-3)
        return (pixels * (255 / self.scale)).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).numpy()

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON and YAML can hold."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """From what `to_dict` gave.

        Raises:
            KinsightError: an unknown name or a value that makes no sense.
        """
        if not isinstance(values, Mapping):
            raise KinsightError(
                f"preprocessing: {shown(values)} is not a mapping; write size, resize, mean, std, bgr, scale"
            )
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise KinsightError(f"preprocessing: {name!r} is not known; the names are {', '.join(known)}")
        return cls(**values)


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise KinsightError(
                f"preprocessing: size {shown(value)} is neither one number nor two; write height and width"
            )
        return _pixels("size", value[0]), _pixels("size", value[1])
    return _pixels("size", value), _pixels("size", value)


def _pixels(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= MOST_PIXELS:
        raise KinsightError(
            f"preprocessing: {name} {shown(value)} is not a number of pixels; write a whole number from 1 to {MOST_PIXELS}"
        )
    return int(value)


def _channels(name: str, value: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise KinsightError(
            f"preprocessing: {name} {shown(value)} is not one number a channel; write three finite numbers"
        )
    return numbers


def _column(channels: tuple[float, ...]) -> Tensor:
    return torch.tensor(channels, dtype=torch.float32).view(3, 1, 1)
