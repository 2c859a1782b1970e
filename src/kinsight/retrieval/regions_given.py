"""Regions as people give them: boxes, masks, texts such as `40,60,120,110:0.5`, files with a painted part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.explanation.regions import Region
from kinsight.pictures.decoding import open_picture

GivenRegion = Region | str | Path | np.ndarray | Sequence[float]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")
_WEIGHED = re.compile(rf"(.+):({_NUMBER})")


def regions_of(
    region: GivenRegion | Sequence[GivenRegion] | None = None,
    without: GivenRegion | Sequence[GivenRegion] | None = None,
    *,
    without_weight: float = 1.0,
) -> list[Region]:
    """The regions that somebody gave, those of `without` with negative weights.

    A region is a box of four numbers (left, top, right, bottom in pixels of the upright picture), a mask (an array of values from 0 to 1,
    or a file in which the part is painted), a text `x0,y0,x1,y1`, or a `Region`. A text or file may end in `:WEIGHT`.

    Raises:
        KinsightError: one is no region, or a file cannot be read.
    """
    if isinstance(without_weight, bool) or not np.isfinite(without_weight) or without_weight <= 0:
        raise KinsightError(
            f"without_weight is {without_weight!r}; write a number above 0, 1 to subtract as much as there is"
        )
    subtracted = [_region(one) for one in _several(without)]
    return [_region(one) for one in _several(region)] + [
        Region(one.where, -abs(one.weight) * without_weight) for one in subtracted
    ]


def _several(given: GivenRegion | Sequence[GivenRegion] | None) -> list[GivenRegion]:
    if given is None:
        return []
    if isinstance(given, (Region, str, Path, np.ndarray)):
        return [given]
    if len(given) and all(isinstance(side, (int, float, np.number)) for side in given):  # one box
        return [given]  # type: ignore[list-item]
    return list(given)  # type: ignore[arg-type]


def _region(given: GivenRegion) -> Region:
    if isinstance(given, Region):
        return given
    if isinstance(given, (str, Path)):
        text, weight = str(given), 1.0
        weighed = _WEIGHED.fullmatch(text)
        if weighed and not Path(text).exists():
            text, weight = weighed[1], float(weighed[2])
        box = _BOX.fullmatch(text)
        if box:
            return Region(tuple(float(side) for side in box.groups()), weight)  # type: ignore[arg-type]
        if not Path(text).suffix:
            raise KinsightError(
                f"{str(given)!r} is no region; write left,top,right,bottom in pixels of the picture, such as 40,60,120,110, or the "
                "file of a mask in which the part is painted"
            )
        return Region(painted(text), weight)
    if isinstance(given, np.ndarray) and given.ndim == 2:
        return Region(given)
    return Region(tuple(given))


def painted(path: str | Path) -> np.ndarray:
    """The painted part of a mask file, (H, W) from 0 to 1: what is not transparent, or where nothing is transparent what is bright.

    Raises:
        KinsightError: it cannot be read, or nothing is painted.
    """
    opened = open_picture(path)  # refuses in words what cannot be decoded
    with Image.open(path) if Path(path).is_file() else opened as stored:
        if stored.has_transparency_data and stored.size == opened.size:
            values = np.asarray(stored.convert("RGBA"))[..., 3]
        else:
            values = np.asarray(opened.convert("L"))
    shares = values / (1 if values.max(initial=0) <= 1 else 255)  # files of 0 and 1 are common, too
    if not shares.any():
        raise KinsightError(
            f"nothing is painted in the mask {path}; paint the part white, or leave the rest transparent"
        )
    return shares
