"""From places to pixels and back: bilinear with half-pixel centres, as the paper's maps are drawn."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional


def upsample(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(..., h, w) -> (..., H, W)."""
    flat = torch.from_numpy(np.ascontiguousarray(maps)).reshape(-1, 1, *maps.shape[-2:])
    large = functional.interpolate(flat, size, mode="bilinear", align_corners=False)
    return large.numpy().reshape(*maps.shape[:-2], *size)


def point_weights(y: float, x: float, size: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """How much each place of a grid (h, w) counts for a pixel (y, x) of a picture of `size`; they sum to 1.

    Pixel centres stand at whole numbers; beyond the outermost places their value goes on.
    """
    return np.outer(_axis(y, size[0], grid[0]), _axis(x, size[1], grid[1]))


def _axis(position: float, pixels: int, places: int) -> np.ndarray:
    at = min(max((position + 0.5) / pixels * places - 0.5, 0.0), places - 1.0)
    weights = np.zeros(places)
    lower = min(int(at), max(places - 2, 0))
    weights[lower] = 1 - (at - lower)
    if places > 1:
        weights[lower + 1] += at - lower
    return weights
