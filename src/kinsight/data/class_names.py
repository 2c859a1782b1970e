"""What a person calls the classes of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd


def class_names(table: pd.DataFrame) -> np.ndarray | None:
    """The class of each row (N,), if the table names each label in a column `class_name`, no two alike; else None."""
    if "class_name" not in table.columns or table["class_name"].isna().any():
        return None
    pairs = table[["label", "class_name"]].drop_duplicates()
    if pairs["label"].duplicated().any() or pairs["class_name"].duplicated().any():
        return None
    return table["class_name"].to_numpy().astype(str)
