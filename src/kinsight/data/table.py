"""The image table: one row a picture, read from a CSV, a parquet file, a folder or a zip."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.data.class_folders import read_class_folders
from kinsight.data.columns import STANDARD, TEXT_COLUMNS, absolute_paths, standardise
from kinsight.data.containers import MOST_BYTES, Container, open_container
from kinsight.data.csv_text import decoded
from kinsight.data.headers import standard_names
from kinsight.data.repeats import without_repeats
from kinsight.errors import KinsightError
from kinsight.pictures.archive import read_bytes

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
MOST_CELLS = 50_000_000
"""A table of pictures has fewer; more would exhaust the memory long before anybody learns that it is none."""
_MISSING = ["", "NA", "N/A", "#N/A", "<NA>", "nan", "NaN", "null", "NULL", "None"]


def read_table(
    source: str | Path,
    *,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> pd.DataFrame:
    """The image table of a CSV or parquet file, of a folder, or of a .zip.

    A folder or zip holds `metadata.csv` (or one other table with columns path and label) at its top or in its only top
    folder; else one sub-folder of pictures per class, which may stand in folders train, val and test. Folders of data
    sets that Kinsight knows are read as their authors mean them.

    Accepted besides the standard columns: boxes as `x, y, w, h`; `role` (train, query, gallery) for the flags; split
    `val`; pairs of views as `ground_path, aerial_path`, which become two rows of one label, told apart by `camera`.
    Where a picture has several rows with boxes, their `id` is the path followed by `#x_1,y_1,x_2,y_2`. A column `id` of
    the table's own is kept.

    Args:
        split_by: None: column `split` if there is one, else halves; `halves`: the first half of the sorted classes is
            for training, the rest for the test; else the name of the column to use. Under another split than the
            table's own, query and gallery flags are kept only if every evaluated picture has one.
        root: the folder (or zip) that relative paths begin at; the table's own place if None.
        path_column: the column that holds the paths; None: `path`, or what other tools call it (`image`, `filename`, ...).
        label_column: the column that holds the classes; None: `label`, or `class`, `target`, ...

    Rows that repeat an earlier one are dropped. What is worth knowing about the reading is kept in `attrs["notes"]`.

    Returns:
        The columns `id, path, label, split`, the optional ones that are known, and all others as they are; rows are
        numbered from 0; values are not checked yet (see `check_table`).

    Raises:
        KinsightError: the source cannot be read, or holds no image table.
    """
    table, name, base = _read(source, labelled=True, columns={"path": path_column, "label": label_column})
    notes = table.attrs.pop("notes", [])
    base = base if root is None else Path(os.path.abspath(root)).as_posix()
    table = standardise(table, base=base, split_by=split_by, name=name)
    table, repeated = without_repeats(table)
    # For the messages of checking.
    table.attrs.update(source=str(source), split_by=split_by, notes=notes + repeated)
    return table


def read_pictures(
    source: str | Path,
    *,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> pd.DataFrame:
    """As `read_table`, but labels need not be known: also a table without them, or a folder or zip of loose pictures.

    Returns:
        The columns `id` and `path`, and the others of the table; where labels are known, all columns of `read_table`.

    Raises:
        KinsightError: the source cannot be read, or holds no picture.
    """
    table, name, base = _read(source, labelled=False, columns={"path": path_column, "label": label_column})
    base = base if root is None else Path(os.path.abspath(root)).as_posix()
    if "path" in table and table["path"].isna().any():
        row = int(np.flatnonzero(table["path"].isna())[0])
        raise KinsightError(
            f"{name} row {row + 2}, column path: it is empty; give the picture's file or delete the row"
        )
    if "label" in table and table["label"].isna().all():
        table = table.drop(columns="label")
    elif "label" in table and table["label"].isna().any():
        row = int(np.flatnonzero(table["label"].isna())[0])
        raise KinsightError(f"{name} row {row + 2}, column label: it is empty; give its class, or leave all labels out")
    if "label" in table or "path" not in table or {"pair", "view"} <= set(table.columns):
        return standardise(table, base=base, split_by=split_by, name=name)
    named = {"id": table["path"].astype(str), "path": absolute_paths(table["path"], base)}
    return pd.DataFrame(named).join(table.drop(columns=[name for name in named if name in table]))


Columns = dict[str, str | None]


def read_plain_table(source: str | Path) -> pd.DataFrame:
    """A CSV or parquet file with its own columns; those of paths and labels under their standard names.

    Raises:
        KinsightError: it cannot be read, or has no rows.
    """
    place = Path(os.path.abspath(source))
    if not place.is_file():
        raise KinsightError(f"{source} is not a file; give a CSV or parquet file")
    table = _parse(read_bytes(place, most=MOST_BYTES), place.name, {})
    if table.empty:
        raise KinsightError(f"{source} has no rows; write one for each vector")
    return table.reset_index(drop=True)


def _read(source: str | Path, *, labelled: bool, columns: Columns | None = None) -> tuple[pd.DataFrame, str, str]:
    place = Path(os.path.abspath(source))
    if not place.exists():
        raise KinsightError(f"{source} does not exist; give a CSV or parquet file, a folder or a zip")
    if not place.is_file() and not place.is_dir():
        raise KinsightError(f"{source} is a pipe or a device; give a CSV or parquet file, a folder or a zip")
    try:
        table, name, base = _load(place, labelled, columns or {})
    except OSError as problem:
        raise KinsightError(f"{source} cannot be read ({problem.strerror}); make it readable or give a copy") from None
    if table.empty:
        raise KinsightError(f"{name} has no rows; an image table has one row a picture")
    return table, name, base


def _load(place: Path, labelled: bool, columns: Columns) -> tuple[pd.DataFrame, str, str]:
    """The table as its author wrote it, what messages call it, and where its relative paths begin."""
    if place.is_file() and place.suffix.lower() in TABLE_SUFFIXES:
        return _parse(read_bytes(place, most=MOST_BYTES), place.name, columns), place.name, place.parent.as_posix()
    if place.is_file() and place.suffix.lower() != ".zip":
        raise KinsightError(f"{place} is no image table; give a .csv, .tsv, .parquet or .zip file, or a folder")
    if place.is_dir():
        from kinsight.data.sources import recognise

        known = recognise(place)
        if known is not None:
            return known, str(place), place.as_posix()
    container = open_container(place)
    inside = _find_table(container)
    if inside is not None:
        folder, _, name = f"{place.as_posix()}/{inside}".rpartition("/")
        return _parse(read_bytes(f"{folder}/{name}", most=MOST_BYTES), name, columns), name, folder
    table, top = read_class_folders(container, labelled=labelled)
    return table, str(place), f"{place.as_posix()}/{top}".rstrip("/")


def _find_table(container: Container) -> str | None:
    """The place of the table at the container's top or in its only top folder; None if there is none."""
    names, folders = container.children("")
    at = ""
    if not any(name.lower().endswith(TABLE_SUFFIXES) for name in names) and len(folders) == 1:
        at = f"{folders[0]}/"
        names, _ = container.children(folders[0])
    tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    if "metadata.csv" in tables:
        return f"{at}metadata.csv"
    folder = f"{container.path}/{at}"
    found = [
        name
        for name in tables
        if {"path", "label"} <= set(_parse(read_bytes(folder + name, most=MOST_BYTES), name, {}).columns)
    ]
    if len(found) > 1:
        raise KinsightError(
            f"{container.path} holds several image tables ({', '.join(found)}); name the one to use metadata.csv"
        )
    return at + found[0] if found else None


def _parse(data: bytes, name: str, columns: Columns) -> pd.DataFrame:
    parse = _parse_parquet if name.lower().endswith((".parquet", ".pq")) else _parse_csv
    return parse(data, name, columns)


def _parse_csv(data: bytes, name: str, columns: Columns) -> pd.DataFrame:
    text, notes = decoded(data, name)
    try:
        header = text.partition("\n")[0]
        separator = max(",;\t", key=header.count)
        _check_cells(name, text.count("\n") + text.count("\r"), header.count(separator) + 1)
        read: Any = {"sep": separator, "skipinitialspace": True, "index_col": False}
        names, found = standard_names(
            map(str, pd.read_csv(io.StringIO(text), nrows=0, **read).columns), name, **columns
        )
        texts = [column for column, standard in names.items() if standard in TEXT_COLUMNS]
        with warnings.catch_warnings():
            # A row longer than the header would be cut with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text),
                dtype=dict.fromkeys(texts, str),
                keep_default_na=False,
                na_values={column: [""] if column in texts else _MISSING for column in names},
                skip_blank_lines=False,  # so that row numbers in messages are those of a spreadsheet
                low_memory=False,
                **read,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning, ValueError) as problem:
        reason = " ".join(str(problem).split())
        raise KinsightError(
            f"{name} is not a CSV table ({reason}); write one header row and one row a picture"
        ) from None
    table.columns = pd.Index([names[column] for column in table.columns])
    filled = table.notna().any(axis=1).to_numpy()
    table = table.iloc[: len(filled) - int(np.argmax(filled[::-1])) if filled.any() else 0]  # blank lines at the end
    table.attrs["notes"] = notes + found
    return table


def _parse_parquet(data: bytes, name: str, columns: Columns) -> pd.DataFrame:
    try:
        from pyarrow.parquet import ParquetFile

        described = ParquetFile(io.BytesIO(data)).metadata
        _check_cells(name, described.num_rows, described.num_columns)
        table = pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    except ImportError:
        raise KinsightError(f"{name} needs pyarrow to be read; pip install kinsight[parquet]") from None
    except (ValueError, OSError, NotImplementedError, TypeError) as problem:
        reason = " ".join(str(problem).split())
        raise KinsightError(f"{name} is not a parquet table ({reason}); write it again or give a CSV") from None
    names, notes = standard_names(map(str, table.columns), name, **columns)
    table.columns = pd.Index([names[str(column)] for column in table.columns])
    table = _with_texts(table, name)
    table.attrs["notes"] = notes
    return table


def _with_texts(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with texts where it holds bytes, as some writers of parquet give them."""
    for column in table.select_dtypes("object").columns:
        values = table[column]
        if column in STANDARD and values.map(lambda value: isinstance(value, list | dict | np.ndarray)).any():
            raise KinsightError(f"{name}, column {column}: it holds lists; write one text or number in each row")
        if not values.map(lambda value: isinstance(value, bytes)).any():
            continue
        try:
            table[column] = values.map(lambda value: value.decode() if isinstance(value, bytes) else value)
        except UnicodeDecodeError:
            if column in STANDARD:
                raise KinsightError(
                    f"{name}, column {column}: it holds bytes that are not UTF-8; write it as a column of texts"
                ) from None
            table = table.drop(columns=column)  # some file's content: nothing that is said of a picture
    return table


def _check_cells(name: str, rows: int, columns: int) -> None:
    if rows * columns > MOST_CELLS:
        raise KinsightError(
            f"{name} has {rows:,} rows of {columns:,} columns, more than the {MOST_CELLS:,} cells of any table of pictures; split it, or "
            "leave out columns"
        )
