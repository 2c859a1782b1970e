"""Pairs of views: one place (or thing) in pictures of two kinds, told apart by the columns `pair` and `view`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kinsight.data.problems import Problem
from kinsight.data.splits import SPLITS
from kinsight.errors import KinsightError

VIEW = "view"


def view_numbers(table: pd.DataFrame, names: Sequence[str], rows: np.ndarray | None = None) -> np.ndarray:
    """Of which of the named views each row is, (N,) int64 from 0.

    Args:
        rows: those that are asked for (R,); None: all.

    Raises:
        KinsightError: the table has no column view, or one of the rows is of another view.
    """
    wanted = " and ".join(names)
    if VIEW not in table.columns:
        raise KinsightError(
            f"the table has no column {VIEW}, which tells the pictures of {wanted} apart; add it, with {wanted} in it, and a column "
            "pair or label with what belongs together"
        )
    given = table[VIEW] if rows is None else table[VIEW].iloc[rows]
    numbers = given.astype(object).map({name: number for number, name in enumerate(names)})
    if numbers.isna().any():
        place = int(np.flatnonzero(numbers.isna())[0])
        row = given.index[place]
        raise KinsightError(
            f"picture {table['id'].loc[row] if 'id' in table.columns else row} is of the view {given.iloc[place]!r}, and the streams of "
            f"the model are {wanted}; call the views and the streams alike, or leave the picture out"
        )
    return numbers.to_numpy(dtype=np.int64)


def require_pairs(table: pd.DataFrame, names: Sequence[str], split: str) -> None:
    """Refuse pictures of a split whose class lacks one of the views.

    Raises:
        KinsightError: a class of the split has no picture of one of the views, or a picture is of another view.
    """
    rows = np.flatnonzero((table["split"] == split).to_numpy())
    numbers = view_numbers(table, names, rows)
    labels = table["label"].iloc[rows]
    for number, name in enumerate(names):
        lacking = labels[~labels.isin(labels[numbers == number])].unique()
        if len(lacking):
            more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise KinsightError(
                f"pair {lacking[0]} ({split}) has no picture of the view {name}{more}; add it or take the pair out of the table"
            )


def unpaired(table: pd.DataFrame) -> list[Problem]:
    """Pairs that lack one of the table's views, where it has two: a warning a split."""
    if not {VIEW, "pair"} <= set(table.columns) or table[VIEW].nunique() != 2:
        return []
    problems = []
    for split in SPLITS:
        rows = table[table["split"] == split]
        counts = rows.groupby("pair")[VIEW].nunique()
        lonely = counts.index[counts == 1]
        if len(lonely):
            words = f"{len(lonely)} pairs in {split} have pictures of one view only ({', '.join(map(str, lonely[:5]))})"
            problems.append(Problem(None, VIEW, lonely[0], f"{words}; add the other view or drop them", "warning"))
    return problems
