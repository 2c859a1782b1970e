"""Who is trained on, chosen on, and tested on: always whole classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kinsight.errors import KinsightError

SPLITS = ("train", "validation", "test")
# How splits are written, by people in tables and as names of folders.
SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def halves(labels: Sequence[Any] | np.ndarray | pd.Series) -> np.ndarray:
    """ "train" for rows of the first half of the sorted classes, "test" for the rest; an odd class goes to test.

    Source: the zero-shot split of the field, for example the first 100 of the 200 classes of CUB-200-2011.
    """
    codes, classes = pd.factorize(pd.Series(labels), sort=True)  # (N,), (classes,)
    return np.where(codes < len(classes) // 2, "train", "test")  # (N,)


def validation_classes(classes: Sequence[Any] | np.ndarray, fold: int, folds: int = 4) -> list:
    """The classes that fold number `fold` validates on; all others are trained on.

    With n sorted classes fold p begins at floor(p n / folds), trains on the next n - floor(n / folds) classes, wrapping
    around, and validates on the floor(n / folds) after those. The folds never share a validation class, but where n is
    not a multiple of `folds` some classes are never validated on (2 of the 98 of Cars-196).
    Source: Musgrave et al., "A Metric Learning Reality Check", ECCV 2020, and its benchmark's splits.

    Raises:
        KinsightError: there are fewer classes than folds, fewer than 2 folds, or no such fold.
    """
    found = sorted(set(classes))
    _check_fold(len(found), fold, folds)
    count = len(found) // folds
    start = fold * len(found) // folds + len(found) - count
    return [found[position % len(found)] for position in range(start, start + count)]


def with_validation(table: pd.DataFrame, fold: int, folds: int = 4) -> pd.DataFrame:
    """A copy of an image table in which the validation classes of a fold have left `train` for `validation`.

    Where the table flags queries and gallery, every moved picture becomes both: each is searched for among the others.

    Raises:
        KinsightError: the table has validation rows already, or the fold cannot be made (see `validation_classes`).
    """
    if (table["split"] == "validation").any():
        raise KinsightError(
            "the table already has validation rows; leave out the validation fold, or mark those rows as train"
        )
    train = table["split"] == "train"
    chosen = validation_classes(table.loc[train, "label"].unique(), fold, folds)
    rows = train & table["label"].isin(chosen)
    moved = table.copy()
    moved.loc[rows, "split"] = "validation"
    for flag in {"is_query", "is_gallery"} & set(table.columns):
        moved.loc[rows, flag] = True
    return moved


def _check_fold(classes: int, fold: int, folds: int) -> None:
    if folds < 2:
        raise KinsightError(f"folds is {folds}; give 2 or more, so that some classes are left to train on")
    if not 0 <= fold < folds:
        raise KinsightError(f"fold {fold} does not exist; with {folds} folds give 0 to {folds - 1}")
    if classes < folds:
        raise KinsightError(f"{classes} training classes cannot make {folds} folds; give fewer folds or more classes")
