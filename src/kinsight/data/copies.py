"""One picture in several files: what copies do to a training and to its numbers."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from kinsight.data.columns import BOX
from kinsight.data.problems import Problem, in_rows
from kinsight.data.repeats import spreadsheet_row


def copied_pictures(table: pd.DataFrame, there: np.ndarray) -> list[Problem]:
    """Rows whose file holds what an earlier row's file holds, byte for byte: in another class, in another split, or in the same.

    Args:
        there: (R,) bool, whose files there are.
    """
    known = table.assign(contents=_contents(table["path"], there))
    key = ["contents", *(column for column in BOX if column in table)]
    again = (known["contents"].notna() & known.duplicated(key)).to_numpy()
    if not again.any():
        return []
    numbers = known.groupby(key, sort=False, dropna=False).ngroup().to_numpy()
    _, firsts = np.unique(numbers, return_index=True)
    first = firsts[numbers]  # (R,), the earliest row with the same contents
    other_class = again & (table["label"] != table["label"].iloc[first].to_numpy()).to_numpy()
    other_split = again & ~other_class & (table["split"] != table["split"].iloc[first].to_numpy()).to_numpy()
    words = [
        f"row {spreadsheet_row(table, at)}, of class {table['label'].iloc[at]} in {table['split'].iloc[at]}"
        if here
        else ""
        for at, here in zip(first.tolist(), again, strict=True)
    ]
    told = table.assign(path=words)
    return [
        *in_rows(told, other_class, "path", "the same picture as in {value}; keep it in the class it is of", "warning"),
        *in_rows(told, other_split, "path", "the same picture as in {value}; keep it in one split", "warning"),
        *in_rows(
            told, again & ~other_class & ~other_split, "path", "the same picture as in {value}; keep one", "warning"
        ),
    ]


def _contents(paths: pd.Series, there: np.ndarray) -> pd.Series:
    """SHA-256 of every file; none of those that cannot be read, which is told where they are opened."""
    from kinsight.pictures.archive import UnreadableFile, read_bytes

    found: dict[str, str | None] = {}
    for path in pd.unique(paths[there].astype(str)):
        try:
            found[path] = hashlib.sha256(read_bytes(path)).hexdigest()
        except UnreadableFile:
            found[path] = None
    return paths.where(there).map(found, na_action="ignore").astype("object")
