"""Boxes of the rows of a table, as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kinsight.data.columns import BOX
from kinsight.errors import KinsightError


def read_boxes(table: pd.DataFrame) -> np.ndarray:
    """Boxes (N, 4) float64: x_1, y_1, x_2, y_2 in pixels of the upright picture, half open; NaN where a row has none.

    Raises:
        KinsightError: the table has no boxes, or one is not of four numbers.
    """
    if not set(BOX) <= set(table.columns):
        raise KinsightError(f"the table has no boxes; add the columns {', '.join(BOX)} to it")
    edges = table[BOX].apply(pd.to_numeric, errors="coerce").astype("float64")
    wrong = ((edges.isna() & table[BOX].notna()) | np.isinf(edges)).to_numpy()
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        value = table[BOX[column]].iloc[row]
        value = value.item() if isinstance(value, np.generic) else value
        raise KinsightError(
            f"the box of {table['id'].iloc[row]} has {BOX[column]} {value!r}, which is no number of pixels; write one such as 12 or 12.5, "
            "with a point, or leave all four empty"
        )
    return edges.to_numpy()
