"""Where the places of a feature map stand in its tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kinsight.errors import KinsightError

KINDS = ("NCHW", "NHWC", "tokens")
PREFIXES = (0, 1, 2, 4, 5)  # nothing, a class token, also one of distillation, four registers, both


@dataclass(frozen=True)
class Layout:
    """The axes of a feature map.

    Attributes:
        kind: NCHW, NHWC, or tokens for (N, L, C).
        prefix: how many tokens stand before the grid (class and register tokens); what they say goes to the bias. None
            takes as many as leave a grid.
        grid: height and width of the grid of tokens; None takes it to be square.
    """

    kind: str = "NCHW"
    prefix: int | None = None
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise KinsightError(f"layout {self.kind!r} is not known; write one of {', '.join(KINDS)}")

    @classmethod
    def of(cls, feature_map: Tensor, picture: tuple[int, int] | None = None) -> Layout:
        """The layout of a map of which nothing else is known.

        Three axes are tokens. Four are NCHW; where the height and width of the picture are given, NHWC if that makes a
        grid more like the picture.
        """
        if feature_map.ndim == 3:
            height, width = picture or (1, 1)
            grids = [(prefix, _grid(feature_map.shape[1] - prefix, height / width)) for prefix in PREFIXES]
            return next((cls("tokens", prefix, grid) for prefix, grid in grids if grid), cls("tokens"))
        if feature_map.ndim == 4 and picture:
            first, last = ((feature_map.shape[axis], feature_map.shape[axis + 1]) for axis in (1, 2))
            return cls("NHWC" if _unlikeness(first, picture) < _unlikeness(last, picture) else "NCHW")
        return cls()

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
        return self._token_grid(feature_map.shape[1])

    def places(self, feature_map: Tensor) -> Tensor:
        """(N, ...) -> (N, h, w, C), without the tokens before the grid."""
        height, width = self.size(feature_map)
        if self.kind == "NCHW":
            return feature_map.movedim(1, -1)
        if self.kind == "NHWC":
            return feature_map
        return feature_map[:, feature_map.shape[1] - height * width :].unflatten(1, (height, width))

    def mask(self, feature_map: Tensor, place: Tensor) -> Tensor:
        """1 at one place (its number, row by row) and 0 elsewhere, in axes that multiply the map."""
        height, width = self.size(feature_map)
        places = torch.arange(height * width, device=feature_map.device)
        ones = (places == place).to(feature_map.dtype)  # (h w,)
        if self.kind == "NCHW":
            return ones.view(1, 1, height, width)
        if self.kind == "NHWC":
            return ones.view(1, height, width, 1)
        return torch.nn.functional.pad(ones, (feature_map.shape[1] - height * width, 0)).view(1, -1, 1)

    def channel_sums(self, feature_map: Tensor) -> Tensor:
        """(N, ...) -> (N, h, w): the sum over the channels at every place."""
        return self.places(feature_map).sum(-1)

    def _token_grid(self, length: int) -> tuple[int, int]:
        if self.grid is not None:
            before = length - self.grid[0] * self.grid[1]
            if before < 0 or (self.prefix is not None and before != self.prefix):
                raise KinsightError(
                    f"{length} tokens are not {self.prefix or 0} and a grid of {self.grid[0]} x {self.grid[1]}; correct "
                    "the layout's prefix or grid"
                )
            return self.grid
        for prefix in PREFIXES if self.prefix is None else (self.prefix,):
            if grid := _grid(length - prefix, 1.0):
                return grid
        raise KinsightError(
            f"{length} tokens make no square grid; say how many stand before the grid and what it is, for example "
            "Layout('tokens', prefix=1, grid=(14, 7))"
        )


def _grid(places: int, aspect: float) -> tuple[int, int] | None:
    """Height and width with that product and about that ratio, at least two places a side."""
    height = round((max(places, 0) * aspect) ** 0.5)
    width = round(height / aspect)
    return (height, width) if height * width == places and min(height, width) > 1 else None


def _unlikeness(grid: tuple[int, int], picture: tuple[int, int]) -> float:
    return abs(math.log(grid[0] * picture[1] / (grid[1] * picture[0])))
