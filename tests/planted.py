"""Models in which it is known what speaks to what: places are patches of colour, and only equal colours answer each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH, GRID = 8, 4
SIDE = PATCH * GRID
COLOURS = {"red": 0, "green": 1, "blue": 2}


class Patches(nn.Module):
    """A trunk: the mean colour of every patch, (N, 3, H, W) -> (N, 3, H / 8, W / 8); counts its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        return functional.avg_pool2d(images, PATCH)


class Mean(nn.Module):
    """A head without a bias: the mean over the places."""

    def forward(self, feature_map: Tensor) -> Tensor:
        return feature_map.mean((2, 3))


def coloured(cells: dict[str, tuple[int, int]]) -> Tensor:
    """A picture (3, 32, 32), black but for one patch of each colour at its cell (row, column)."""
    image = torch.zeros(3, SIDE, SIDE)
    for colour, (row, column) in cells.items():
        rows, columns = (slice(at * PATCH, (at + 1) * PATCH) for at in (row, column))
        image[COLOURS[colour], rows, columns] = 1
    return image


def scattered(count: int, seed: int = 0) -> tuple[list[Tensor], list[dict[str, tuple[int, int]]]]:
    """Pictures with a patch of each colour at a random cell of its own, and the cells."""
    generator = np.random.default_rng(seed)
    cells = []
    for _ in range(count):
        drawn = generator.choice(GRID * GRID, size=len(COLOURS), replace=False)
        cells.append({colour: divmod(int(cell), GRID) for colour, cell in zip(COLOURS, drawn, strict=True)})
    return [coloured(each) for each in cells], cells


def centre(cell: tuple[int, int]) -> tuple[float, float]:
    """The centre of a cell as x, y in pixels of the picture."""
    return (cell[1] + 0.5) * PATCH, (cell[0] + 0.5) * PATCH
