"""Parts of a picture: boxes and painted masks, each with a weight, as weights of the places of its map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.view import View
from kinsight.explanation.window import to_input


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a picture, and how much it counts.

    Attributes:
        where: a box (left, top, right, bottom) in pixels of the upright picture, its ends between pixels; or a mask (H, W) of values from
            0 to 1, of the upright picture, or of any size that covers the whole of it.
        weight: how much it counts; below 0 it is subtracted: what looks like it shall not be found.
    """

    where: tuple[float, float, float, float] | np.ndarray
    weight: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.weight, bool) or not np.isfinite(self.weight) or self.weight == 0:
            raise KinsightError(
                f"weight {self.weight!r} of a region is not usable; write a number above 0, or below 0 for what must not count"
            )
        if isinstance(self.where, np.ndarray) and self.where.ndim == 2:
            _check_mask(self.where)
        else:
            object.__setattr__(self, "where", _box(self.where))


def place_weights(view: View, regions: Sequence[Region]) -> np.ndarray:
    """How much each place of a picture counts in a query by regions, (h, w).

    A place counts by the share of its cell that a region covers, times the region's weight; where regions overlap these add up. Where all
    regions are subtracted they are subtracted from the whole picture. So regions that make up a picture count every place once.

    Raises:
        KinsightError: a region lies outside of what the network sees, a mask is of another picture, or nothing is left.
    """
    weights = np.zeros(view.grid)
    if not any(region.weight > 0 for region in regions):
        weights += 1
    for region in regions:
        weights += region.weight * _shares(view, region)
    if not np.abs(weights).max() > 1e-9:
        raise KinsightError("the regions cancel each other out, so that nothing is searched for; give smaller weights")
    return weights


def _shares(view: View, region: Region) -> np.ndarray:
    """How much of each place's cell the region covers, (h, w)."""
    height, width = view.size
    window = view.window or (0.0, 0.0, float(width), float(height))
    where, at = region.where, view.drawn_at
    if isinstance(where, np.ndarray):
        tall, wide = _picture_size(view)
        (rows, columns) = where.shape
        if abs(np.log(rows * wide / (columns * tall))) > max(2 / rows, 2 / columns):
            raise KinsightError(
                f"a mask of {rows} x {columns} (height x width) does not fit the picture of {tall} x {wide}; paint it on that picture"
            )
        down = at.rows.covered(*_stretches(np.arange(rows + 1) * (tall / rows), window[1::2], height))
        across = at.columns.covered(*_stretches(np.arange(columns + 1) * (wide / columns), window[::2], width))
        shares = down @ where.astype(np.float64) @ across.T
    else:
        left, top, right, bottom = to_input(np.array(where), window, view.size)
        shares = at.rows.covered(top, bottom) @ at.columns.covered(left, right).T
    if not shares.max() > 0:
        what = "the mask" if isinstance(where, np.ndarray) else f"the region {','.join(f'{side:g}' for side in where)}"
        raise KinsightError(
            f"{what} holds nothing of what the network sees of the picture, which is {','.join(f'{side:.0f}' for side in window)} (left, "
            "top, right, bottom in its pixels); choose a region inside of it"
        )
    return shares


def _stretches(edges: np.ndarray, ends: tuple[float, ...], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """From edges in the upright picture to starts and ends on one side of the network's input, which sees it between two ends."""
    moved = (edges - ends[0]) * (pixels / (ends[1] - ends[0]))
    return moved[:-1], moved[1:]


def _picture_size(view: View) -> tuple[int, int]:
    if view.upright is not None:
        return view.upright
    if view.window is None:
        return view.size
    raise KinsightError("a mask needs the whole picture, and this one was cut to a box; give the region as a box")


def _box(where: object) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(side) for side in where)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise KinsightError(
            f"{where!r} is no region; give a box (left, top, right, bottom) in pixels of the picture, or a mask (height, width)"
        ) from None
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        raise KinsightError(
            f"the region {left:g},{top:g},{right:g},{bottom:g} is empty; write left,top,right,bottom with left < right and top < bottom"
        )
    return left, top, right, bottom


def _check_mask(mask: np.ndarray) -> None:
    if (
        mask.dtype.kind not in "biuf"
        or not mask.size
        or not np.isfinite(mask).all()
        or mask.min() < 0
        or mask.max() > 1
    ):
        raise KinsightError(
            "a mask must hold numbers from 0 (outside) to 1 (inside); divide bytes by 255, or give truth values"
        )
    if not mask.any():
        raise KinsightError("the mask is empty; paint the part that is meant with values above 0")
