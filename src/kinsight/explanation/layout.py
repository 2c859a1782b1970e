"""Where the places of a feature map stand in its tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.errors import KinsightError

KINDS = ("NCHW", "NHWC", "tokens")


@dataclass(frozen=True)
class Layout:
    """The axes of a feature map.

    Attributes:
        kind: NCHW, NHWC, or tokens for (N, L, C).
        prefix: how many tokens stand before the grid (class and register tokens); what they say goes to the bias.
        grid: height and width of the grid of tokens; None takes it to be square.
    """

    kind: str = "NCHW"
    prefix: int | None = None
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise KinsightError(f"layout {self.kind!r} is not known; write one of {', '.join(KINDS)}")

    @classmethod
    def of(cls, feature_map: Tensor) -> Layout:
        """The layout of a map of which nothing else is known: four axes are NCHW, three are tokens."""
        return cls("tokens" if feature_map.ndim == 3 else "NCHW")

    def size(self, feature_map: Tensor) -> tuple[int, int]:
        """Height and width of the map in places.

        Raises:
            KinsightError: the tensor has other axes, or its tokens make no grid.
        """
        axes = 3 if self.kind == "tokens" else 4
        if feature_map.ndim != axes:
            raise KinsightError(
                f"the feature map has the shape {tuple(feature_map.shape)}, which is not {self.kind}; name its layout "
                "(NCHW, NHWC or tokens), or open the model at a layer that still has places"
            )
        if self.kind == "NCHW":
            return feature_map.shape[2], feature_map.shape[3]
        if self.kind == "NHWC":
            return feature_map.shape[1], feature_map.shape[2]
        return self._grid(feature_map.shape[1])[1]

    def masks(self, feature_map: Tensor, places: Tensor) -> Tensor:
        """(B,) numbers of places -> (B, ...) masks that are 1 at that place; each multiplies a map of N pictures."""
        height, width = self.size(feature_map)
        ones = torch.nn.functional.one_hot(places, height * width).to(feature_map.dtype)  # (B, h w)
        if self.kind == "NCHW":
            return ones.view(-1, 1, 1, height, width)
        if self.kind == "NHWC":
            return ones.view(-1, 1, height, width, 1)
        prefix = feature_map.shape[1] - height * width
        return torch.nn.functional.pad(ones, (prefix, 0)).view(-1, 1, feature_map.shape[1], 1)

    def channel_sums(self, feature_map: Tensor) -> Tensor:
        """(N, ...) -> (N, h, w): the sum over the channels at every place."""
        height, width = self.size(feature_map)
        if self.kind == "NCHW":
            return feature_map.sum(1)
        if self.kind == "NHWC":
            return feature_map.sum(-1)
        return feature_map[:, feature_map.shape[1] - height * width :].sum(-1).unflatten(1, (height, width))

    def place_means(self, feature_map: Tensor) -> Tensor:
        """(N, ...) -> the same axes with 1 place: the mean over the places, as Grad-CAM takes it of a gradient."""
        if self.kind == "NCHW":
            return feature_map.mean((2, 3), keepdim=True)
        if self.kind == "NHWC":
            return feature_map.mean((1, 2), keepdim=True)
        height, width = self.size(feature_map)
        return feature_map[:, feature_map.shape[1] - height * width :].mean(1, keepdim=True)

    def _grid(self, length: int) -> tuple[int, tuple[int, int]]:
        if self.grid is not None:
            prefix = length - self.grid[0] * self.grid[1]
            if prefix < 0 or (self.prefix is not None and prefix != self.prefix):
                raise KinsightError(
                    f"{length} tokens are not {self.prefix or 0} and a grid of {self.grid[0]} x {self.grid[1]}; correct "
                    "the layout's prefix or grid"
                )
            return prefix, self.grid
        prefixes = (
            (0, 1, 5) if self.prefix is None else (self.prefix,)
        )  # none, a class token, a class token + 4 registers
        for prefix in prefixes:
            side = math.isqrt(max(length - prefix, 0))
            if side > 1 and side * side == length - prefix:
                return prefix, (side, side)
        raise KinsightError(
            f"{length} tokens make no square grid; say how many stand before the grid and what it is, for example "
            "Layout('tokens', prefix=1, grid=(14, 7))"
        )
