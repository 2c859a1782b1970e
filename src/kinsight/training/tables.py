"""From the data settings to a checked table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kinsight.data import read_boxes, read_table, require_sound, with_validation
from kinsight.data.columns import BOX
from kinsight.errors import KinsightError
from kinsight.settings.training import DataSettings


def prepare_table(settings: DataSettings, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read, check and split the table that the settings name; or split the one that `sound_table` gave.

    Returns:
        The image table with `train`, `test` and, unless the fold is null or the table brings its own, `validation` classes.

    Raises:
        KinsightError: no data were named, the table is not sound, or the fold cannot be made.
    """
    table = sound_table(settings) if table is None else table
    if settings.split != "all" and settings.fold is not None and not (table["split"] == "validation").any():
        table = with_validation(table, settings.fold, settings.folds)
    return table


def sound_table(settings: DataSettings) -> pd.DataFrame:
    """Read and check the table that the settings name; validation classes are not held out yet.

    Raises:
        KinsightError: no data were named, or the table is not sound.
    """
    if not settings.path:
        raise KinsightError(
            "no data were given; add --data with a table, a folder or a zip (`kinsight data list` shows known data sets)"
        )
    table = read_named(settings)
    if settings.split == "all":
        table["split"] = "train"
    require_sound(table)
    if not settings.crop_to_box and table["path"].duplicated().any():
        first = table["id"][table["path"].duplicated()].iloc[0]
        raise KinsightError(
            f"picture {first} stands in several rows; give each row a box and set --data.crop_to_box true, or remove the repeats"
        )
    if settings.crop_to_box:
        boxes_of(table, np.arange(0))  # refuse now what would fail at the first batch
    if not (table["split"] == "train").any():
        raise KinsightError(
            "the table has no training pictures; mark some rows `train` in its split column, or give --data.split_by halves"
        )
    return table


def read_named(settings: DataSettings) -> pd.DataFrame:
    """The table that the settings name, as it stands.

    Raises:
        KinsightError: it cannot be read.
    """
    return read_table(
        settings.path,
        split_by=settings.split_by,
        root=settings.root,
        path_column=settings.path_column,
        label_column=settings.label_column,
    )


def boxes_of(table: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Boxes (R, 4) float64 of the given rows; NaN where a row has none, which means its whole picture.

    Raises:
        KinsightError: the table has no boxes, or one is not of four numbers.
    """
    if not set(BOX) <= set(table.columns):
        raise KinsightError(
            f"--data.crop_to_box needs the columns {', '.join(BOX)}; add them to the table or leave the option out"
        )
    return read_boxes(table)[rows]


def categories_of(table: pd.DataFrame, rows: np.ndarray) -> np.ndarray | None:
    """The super-category of each of the given rows (R,) int64, from 0; None where the table does not give one for all of them."""
    if "category" not in table.columns or table["category"].iloc[rows].isna().any():
        return None
    return pd.factorize(table["category"].to_numpy()[rows], sort=True)[0].astype(np.int64)
