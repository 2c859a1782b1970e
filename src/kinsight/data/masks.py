"""Masks of objects, read one by one from the files that a table names."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.pictures import read_bytes

TRIMAP = {1, 2, 3}  # of the Oxford-IIIT pets: animal, background, border


def read_mask(path: str) -> np.ndarray:
    """Where the object is, bool (H, W): every value but 0; of a trimap with the values 1, 2, 3 all but 2, the background.

    Raises:
        KinsightError: the file is missing or no picture of one channel.
    """
    values = _numbers(path, "mask", "mask_path")
    known = set(np.unique(values).tolist())
    return values != 2 if 2 in known and known <= TRIMAP else values != 0


def read_part_mask(path: str) -> np.ndarray:
    """The number of the part at every pixel, (H, W), 0 where there is none.

    Raises:
        KinsightError: the file is missing or no picture of one channel of whole numbers.
    """
    values = _numbers(path, "part mask", "part_mask_path")
    if values.dtype.kind not in "ui":
        raise KinsightError(
            f"part mask {path} holds {values.dtype}, no numbers of parts; store whole numbers, 0 for none"
        )
    return values.astype(np.int64)


def _numbers(path: str, what: str, column: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(read_bytes(path))) as opened:
            values = np.asarray(opened)  # a palette's numbers, not its colours
    except OSError as problem:
        raise KinsightError(f"{what} {path} cannot be read ({problem}); restore it or leave {column} empty") from None
    if values.ndim != 2:
        raise KinsightError(f"{what} {path} has {values.shape[-1]} channels; store it with one, 0 where nothing is")
    return values


class MaskFiles:
    """The masks of a column `mask_path`, each read when it is asked for; None where the column is empty."""

    def __init__(self, paths: Sequence[str | None]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray | None:
        path = self.paths[index]
        return read_mask(path) if isinstance(path, str) and path else None


class PartMaskFiles(MaskFiles):
    """The same of a column `part_mask_path`: the numbers of parts."""

    def __getitem__(self, index: int) -> np.ndarray | None:
        path = self.paths[index]
        return read_part_mask(path) if isinstance(path, str) and path else None
