"""The columns of an image table: whatever the author wrote becomes the standard ones."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import pandas as pd

from kinsight.data.containers import existing
from kinsight.data.splits import SPLIT_NAMES, SPLITS, halves
from kinsight.errors import KinsightError

BOX = ["x_1", "y_1", "x_2", "y_2"]
FLAGS = ["is_query", "is_gallery"]
# Read from a CSV as they are written: a class may be called 007 or NA.
TEXT_COLUMNS = ("id", "path", "label", "mask_path", "part_mask_path", "pair", "view", "ground_path", "aerial_path")
STANDARD = (
    *TEXT_COLUMNS,
    *BOX,
    *FLAGS,
    "split",
    "role",
    "category",
    "sequence",
    "camera",
    "class_name",
    "x",
    "y",
    "w",
    "h",
)

TRUE, FALSE = ["true", "1", "1.0", "yes"], ["false", "0", "0.0", "no"]
_ROLES = ["train", "query", "gallery"]
_VIEWS = {"ground": "street", "aerial": "aerial"}


def standardise(table: pd.DataFrame, *, base: str, split_by: str | None, name: str) -> pd.DataFrame:
    """The image table of a table as its author wrote it (see `read_table`); wrong values are left for `check_table`.

    Args:
        base: the absolute folder, or place in a zip, that relative paths begin at.
        split_by: see `read_table`.
        name: what messages call the table.

    Raises:
        KinsightError: the table cannot be understood at all, for example because it has no label.
    """
    unnamed = [column for column in table.columns if str(column).startswith("Unnamed: ")]  # an index written by pandas
    table = table.drop(columns=unnamed).reset_index(drop=True)
    if "path" not in table and {"ground_path", "aerial_path"} <= set(table.columns):
        table = _two_views(table)
    if "label" not in table and {"pair", "view"} <= set(table.columns):
        table = table.assign(label=table["pair"])  # what belongs together is one class
    missing = [column for column in ("path", "label") if column not in table]
    if missing:
        raise KinsightError(
            f"{name} has no column {' and no column '.join(missing)}; it has {_listed(table.columns)}: "
            "an image table needs path and label, so name the columns that hold them with --path-column and --label-column, or rename them"
        )
    given = _with_slashes(_text(table["path"], strip=False), base)  # a file's name may begin with a blank
    has_ids = "id" in table
    table["id"] = _plain(_text(table["id"]) if has_ids else given)
    table["path"] = _absolute(given, base)
    table["label"] = _labels(table["label"])
    for column in {"mask_path", "part_mask_path"} & set(table.columns):
        table[column] = _absolute(_with_slashes(_text(table[column]), base), base)
    table = _with_box(table, name)
    if not has_ids:
        table["id"] = _distinct_ids(table)
    table = _with_flags(table, name)
    table["split"] = _split(table, split_by, name)
    table = _without_foreign_flags(table, split_by)
    first = ["id", "path", "label", "split"]
    return table[first + [column for column in table.columns if column not in first]]


def split_names(column: pd.Series) -> pd.Series:
    """A column of splits under their standard names (`val` is `validation`); anything else stays as it is."""
    names = _text(column)
    standard = names.str.lower().map(SPLIT_NAMES)
    return _plain(standard.astype("string").fillna(names))


def _two_views(pairs: pd.DataFrame) -> pd.DataFrame:
    # One row a pair of views becomes two rows of one label, told apart by `view`, and by `camera`, so that no picture meets its own view.
    label = next((pairs[column] for column in ("pair", "pair_id", "label") if column in pairs), pairs.index.to_series())
    shared = [column for column in pairs.columns if not str(column).startswith(tuple(f"{view}_" for view in _VIEWS))]
    views = []
    for view in _VIEWS:
        own = [column for column in pairs.columns if str(column).startswith(f"{view}_")]
        renamed = pairs[own].set_axis([column.removeprefix(f"{view}_") for column in own], axis=1)
        fresh = [column for column in renamed.columns if column not in shared]
        both = pd.concat([pairs[shared], renamed[fresh]], axis=1)
        views.append(both.assign(label=label, pair=label, camera=view, view=_VIEWS[view]))
    return pd.concat(views).sort_index(kind="stable").reset_index(drop=True)


def _text(column: pd.Series, *, strip: bool = True) -> pd.Series:
    text = column.astype("string")
    bare = text.str.strip()
    return (bare if strip else text).mask(bare == "")


def _plain(text: pd.Series) -> pd.Series:
    """Python strings, None where missing: the same with every version of pandas."""
    values = text.astype(object)
    return values.where(text.notna(), None)


def _labels(column: pd.Series) -> pd.Series:
    text = _text(column)
    codes, classes = pd.factorize(text)
    names = pd.Series(classes, dtype="string")
    if not len(names) or not names.str.fullmatch(r"[+-]?\d{1,18}(\.0+)?").all():
        return _plain(text)
    numbers = names.str.replace(r"\.0+$", "", regex=True).astype("int64")
    if numbers.nunique() < len(numbers):  # 01 and 1 are two classes
        return _plain(text)
    if (codes >= 0).all():
        return pd.Series(numbers.to_numpy()[codes], index=column.index)
    return text.map(dict(zip(classes, numbers.tolist(), strict=True))).astype(object).where(text.notna(), None)


def absolute_paths(given: pd.Series, base: str) -> pd.Series:
    """Paths as a table gives them; relative ones begin at `base`, an absolute folder or place in a zip."""
    return _absolute(_with_slashes(_text(given, strip=False), base), base)


def _absolute(given: pd.Series, base: str) -> pd.Series:
    rooted = given.str.match(r"/|[A-Za-z]:[\\/]").fillna(False).astype(bool)
    paths = given.where(rooted, f"{base.rstrip('/')}/" + given)
    messy = paths.str.contains(r"//|/\.{1,2}/").fillna(False).astype(bool)
    if messy.any():
        paths[messy] = [os.path.normpath(path).replace(os.sep, "/") for path in paths[messy]]
    return _plain(paths)


def _with_slashes(given: pd.Series, base: str) -> pd.Series:
    """Paths as Windows writes them get the slashes of everywhere else, unless a file has the backslash in its name."""
    backslashed = given.str.contains("\\", regex=False).fillna(False).astype(bool)
    if not backslashed.any():
        return given
    wrong = backslashed & ~existing(_absolute(given.where(backslashed), base))
    return given.mask(wrong, given.str.replace("\\", "/", regex=False))


def _with_box(table: pd.DataFrame, name: str) -> pd.DataFrame:
    corner = ["x", "y", "w", "h"]
    if "x_1" in table or not set(corner) <= set(table.columns):
        return table
    numbers = table[corner].apply(pd.to_numeric, errors="coerce")
    for column in corner:
        wrong = numbers[column].isna() & _text(table[column]).notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise KinsightError(
                f"{name} row {row + 2}, column {column}: {table[column].iloc[row]!r} is not a number; "
                "x, y, w, h are the box in pixels, all four empty for the whole picture"
            )
    x, y, w, h = (numbers[column] for column in corner)
    return table.drop(columns=corner).assign(x_1=x, y_1=y, x_2=x + w, y_2=y + h)


def _distinct_ids(table: pd.DataFrame) -> pd.Series:
    """Ids in which several boxes of one picture are told apart: `a.jpg#10,20,50,60`."""
    shared = table["id"].duplicated(keep=False) & table["id"].notna()
    if not set(BOX) <= set(table.columns) or not shared.any():
        return table["id"]
    ids = table["id"].copy()
    for number, column in enumerate(BOX):
        edge = table.loc[shared, column]
        text = edge.map("{:g}".format) if pd.api.types.is_numeric_dtype(edge) else edge.astype(str)
        ids[shared] += (",#"[number == 0]) + text
    return ids


def _with_flags(table: pd.DataFrame, name: str) -> pd.DataFrame:
    flags = [column for column in FLAGS if column in table]
    if not flags and "role" in table:
        role = _text(table["role"]).str.lower()
        if not role.isin(["query", "gallery"]).any():  # some other role
            return table
        wrong = role.notna() & ~role.isin(_ROLES)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            value = table["role"].iloc[row]
            raise KinsightError(
                f"{name} row {row + 2}, column role: {value!r} is no role; write train, query or gallery"
            )
        query, gallery = (role.eq(value).fillna(False).to_numpy(bool) for value in ("query", "gallery"))
        return table.assign(is_query=query, is_gallery=gallery)
    table = table.assign(**{column: _flag(table[column]) for column in flags})
    nothing_flagged = all(table[column].dtype == bool and not table[column].any() for column in flags)
    return table.drop(columns=flags) if nothing_flagged else table


def _flag(column: pd.Series) -> pd.Series:
    text = _text(column).str.lower()
    if not (text.isna() | text.isin(TRUE + FALSE)).all():
        return column
    return text.isin(TRUE).astype(bool)


def _split(table: pd.DataFrame, split_by: str | None, name: str) -> pd.Series:
    if split_by is None and "split" not in table and "role" in table and "is_query" in table:
        return _plain(_text(table["role"]).str.lower().replace({"query": "test", "gallery": "test"}))
    if split_by == "halves" or (split_by is None and "split" not in table):
        return pd.Series(halves(table["label"]), index=table.index, dtype=object)
    column = "split" if split_by is None else split_by
    if column not in table:
        raise KinsightError(
            f"{name} has no column {column} to split by; give halves or one of {_listed(table.columns)}"
        )
    names = split_names(table[column])
    if not names.isin(SPLITS).any():
        some = ", ".join(map(str, names.dropna().unique()[:3])) or "nothing"
        raise KinsightError(
            f"{name}, column {column}: {some} is no split; give a column of train, validation and test, or halves"
        )
    return names


def _without_foreign_flags(table: pd.DataFrame, split_by: str | None) -> pd.DataFrame:
    # Flags are made for one split; under another one they hold only if they speak of every picture evaluated now.
    flags = [column for column in FLAGS if column in table and table[column].dtype == bool]
    if split_by in (None, "split") or not flags:
        return table
    flagged = table[flags].any(axis=1)
    return table if flagged[table["split"] != "train"].all() else table.drop(columns=flags)


def _listed(columns: Iterable) -> str:
    return ", ".join(map(str, columns))
