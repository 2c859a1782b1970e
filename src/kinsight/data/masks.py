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
    try:
        with Image.open(io.BytesIO(read_bytes(path))) as opened:
            values = np.asarray(opened)  # a palette's numbers, not its colours
    except OSError as problem:
        raise KinsightError(f"mask {path} cannot be read ({problem}); restore it or leave mask_path empty") from None
    if values.ndim != 2:
        raise KinsightError(f"mask {path} has {values.shape[-1]} channels; store it with one, 0 where no object is")
    known = set(np.unique(values).tolist())
    return values != 2 if 2 in known and known <= TRIMAP else values != 0


class MaskFiles:
    """The masks of a column `mask_path`, each read when it is asked for; None where the column is empty."""

    def __init__(self, paths: Sequence[str | None]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray | None:
        path = self.paths[index]
        return read_mask(path) if isinstance(path, str) and path else None
