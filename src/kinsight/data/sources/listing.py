"""Lists of pictures as data sets ship them, and which of the listed files are there."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from kinsight.errors import KinsightError


def read_list(path: Path, columns: Mapping[str, type], skip: int = 0) -> pd.DataFrame:
    """Read a text list: one picture a line, fields separated by blanks, `skip` lines of heading.

    Raises:
        KinsightError: the list is missing, a line has too few or too many fields, or a number is not one.
    """
    if not path.is_file():
        raise KinsightError(f"{path} is missing; unpack the authors' archive again, it holds this list")
    try:
        table = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            skiprows=skip,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8",
        )
        if table.shape[1] != len(columns):
            raise ValueError(f"{table.shape[1]} fields in a line")
        table.columns = pd.Index(columns)
        short = (table.isna() | (table == "")).any(axis=1).to_numpy()
        if short.any():
            raise ValueError(f"line {int(short.argmax()) + 1 + skip} has too few fields")
        return table.astype(dict(columns))
    except ValueError as problem:  # pandas' own parser errors are ValueErrors too
        fields = " ".join(columns)
        raise KinsightError(
            f"{path} is not the authors' list ({problem}); every line must read '{fields}': copy the list anew"
        ) from None


def first_line(path: Path, number: int = 1) -> str:
    """Line `number` of a text file, stripped; empty when there is no such file or line."""
    if not path.is_file():
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            lines = [stream.readline() for _ in range(number)]
    except OSError:
        return ""
    return lines[-1].strip()


def folder_names(folder: Path) -> list[str]:
    """Sorted names of the folders in `folder`, hidden ones left out; empty when it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def file_names(folder: Path, endings: tuple[str, ...]) -> list[str]:
    """Sorted names of the unhidden files with one of the `endings` (lower case); empty when `folder` does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return sorted(name for name in names if name.lower().endswith(endings) and not name.startswith("."))


def missing_files(root: Path, ids: pd.Series) -> list[str]:
    """The ids (paths relative to `root`, with /) that are not there, in the order of the list.

    Each folder is listed once instead of asking for each file: a question per file takes minutes on a network disk.
    """
    parents = ids.str.rpartition("/")[0].unique()
    present = {
        f"{parent}/{name}" if parent else name
        for parent in parents
        if (root / parent).is_dir()
        for name in os.listdir(root / parent)
    }
    return [name for name in ids if name not in present]
