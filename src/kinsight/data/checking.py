"""What an image table holds, and what is wrong with it: row, column, value, and how to repair it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd

from kinsight import files, processes
from kinsight.data.class_checks import hopeless_queries, seen_classes, sides, single_pictures
from kinsight.data.columns import BOX, FALSE, FLAGS, TRUE
from kinsight.data.containers import existing
from kinsight.data.copies import copied_pictures
from kinsight.data.pairs import unpaired
from kinsight.data.problems import Problem, in_rows
from kinsight.data.repeats import spreadsheet_row
from kinsight.data.splits import SPLITS
from kinsight.errors import KinsightError

logger = logging.getLogger("kinsight")


def check_table(
    table: pd.DataFrame,
    *,
    pictures: bool = False,
    seen_classes_allowed: bool = False,
    evaluation_only: bool = False,
) -> list[Problem]:
    """All problems of an image table as `read_table` gives it, errors first; an empty list if it is sound.

    Args:
        pictures: also decode every picture (slow), hold the boxes against their sizes, and find files that are the same.
        seen_classes_allowed: a class may be trained on and tested.
        evaluation_only: the table need not have anything to train on.
    """
    missing = [column for column in ("id", "path", "label", "split") if column not in table]
    if missing:
        found = ", ".join(map(str, table.columns))
        return [
            Problem(None, column, None, f"the column is missing, the table has {found}; read it with read_table")
            for column in missing
        ]
    there = existing(table["path"])
    problems = [
        *(Problem(None, None, None, note, "warning") for note in table.attrs.get("notes", ())),
        *_empty(table),
        *_unknown_splits(table),
        *_duplicates(table),
        *_missing_files(table, there),
        *_boxes(table),
        *_flags(table),
        *hopeless_queries(table),
        *sides(table, evaluation_only),
        *single_pictures(table),
        *unpaired(table),
    ]
    if not seen_classes_allowed:
        problems += seen_classes(table)
    if pictures:
        problems += [*_unreadable_pictures(table, there), *copied_pictures(table, there)]
    return sorted(problems, key=lambda problem: problem.severity)  # "error" sorts before "warning"


def require_sound(table: pd.DataFrame, *, seen_classes_allowed: bool = False, evaluation_only: bool = False) -> None:
    """Refuse a table that has errors; warnings pass. What is worth knowing of its reading is said. Arguments: see `check_table`.

    Raises:
        KinsightError: the first error, and how many more there are.
    """
    problems = check_table(table, seen_classes_allowed=seen_classes_allowed, evaluation_only=evaluation_only)
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        for note in table.attrs.get("notes", ()) if processes.is_main() else ():
            logger.warning("%s", note)
        return
    source = table.attrs.get("source")
    name = Path(source).name if source else "the image table"
    sentence = f"{name} {errors[0]}" if errors[0].row is not None else f"{name}: {errors[0]}"
    more = sum(each.count for each in errors) - 1
    if more:
        split_by = table.attrs.get("split_by")
        command = f"kinsight data check {source or 'FILE'}" + (f" --split-by {split_by}" if split_by else "")
        sentence += f", and {more} more; `{command}` lists them"
    raise KinsightError(sentence)


def table_digest(table: pd.DataFrame) -> str:
    """SHA-256 of what moves a number: ids, labels, split, flags, boxes, and what is excluded or grouped by.

    It is the same on every machine and for every order of columns; absolute ids count from their common folder on.
    """
    parts: list[str | bytes | np.ndarray] = []
    for column in sorted(
        {"id", "label", "split", "category", "sequence", "camera", "pair", "view"} & set(table.columns)
    ):
        values = table[column].astype("string").fillna("")
        parts += [column, "\0".join(_without_common_folder(values) if column == "id" else values)]
    for column in FLAGS:
        if column in table:
            parts += [column, np.packbits(table[column].to_numpy(bool))]
    for column in BOX:
        if column in table:
            edges = pd.to_numeric(table[column]).to_numpy("float64", na_value=np.nan)
            parts += [column, np.where(np.isnan(edges), np.nan, edges)]
    return files.digest(*parts)


def describe(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Per split, in the order train, validation, test: `pictures`, `classes`, `min_per_class`, `median_per_class`,
    `max_per_class` and, where the table flags them, `queries` and `gallery`."""
    found = {}
    for split in SPLITS:
        rows = table[table["split"] == split]
        if rows.empty:
            continue
        sizes = rows["label"].value_counts()
        counts: dict[str, float] = {"pictures": len(rows), "classes": len(sizes)}
        if len(sizes):  # else no row has a label
            counts |= {"min_per_class": int(sizes.min()), "median_per_class": float(sizes.median())}
            counts |= {"max_per_class": int(sizes.max())}
        flagged = set(FLAGS) <= set(table.columns) and all(table[column].dtype == bool for column in FLAGS)
        if flagged and split != "train":
            counts |= {"queries": int(rows["is_query"].sum()), "gallery": int(rows["is_gallery"].sum())}
        found[split] = counts
    return found


def _empty(table: pd.DataFrame) -> list[Problem]:
    columns = {"path": "give the picture's file", "label": "give its class"}
    if table["path"].notna().all():  # else an id is empty because the path is
        columns["id"] = "give it a name of its own"
    problems = []
    for column, repair in columns.items():
        words = f"it is empty; {repair} or delete the row"
        problems += in_rows(table, table[column].isna(), column, words)
    return problems


def _unknown_splits(table: pd.DataFrame) -> list[Problem]:
    empty = table["split"].isna()
    repair = f"write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
    return [
        *in_rows(table, empty, "split", f"it is empty; {repair}"),
        *in_rows(table, ~empty & ~table["split"].isin(SPLITS), "split", f"{{value!r}} is not a split; {repair}"),
    ]


def _duplicates(table: pd.DataFrame) -> list[Problem]:
    key = ["path", *BOX] if set(BOX) <= set(table.columns) else ["path"]
    given = table["path"].notna()
    again = (table.duplicated(key) & given).to_numpy()
    what = "this box of this picture" if len(key) > 1 else "this picture"
    problems = in_rows(table, again, "path", f"{what} is listed before ({{value}}); delete one of the rows")
    clash = table["id"].duplicated().to_numpy() & table["id"].notna().to_numpy() & ~again
    return problems + in_rows(
        table,
        clash,
        "id",
        "{value!r} names an earlier row; give each row its own id or rename the column",
    )


def _missing_files(table: pd.DataFrame, there: np.ndarray) -> list[Problem]:
    problems = in_rows(
        table,
        table["path"].notna().to_numpy() & ~there,
        "path",
        "there is no file {value}; correct the path or give the folder that paths begin at with --root",
    )
    for column in ("mask_path", "part_mask_path"):
        if column in table:
            absent = table[column].notna().to_numpy() & ~existing(table[column])
            problems += in_rows(table, absent, column, "there is no file {value}; correct the path or leave it empty")
    return problems


def _boxes(table: pd.DataFrame) -> list[Problem]:
    given = [column for column in BOX if column in table]
    if len(given) < len(BOX):
        absent = [column for column in BOX if column not in given] if given else []
        words = "the column is missing; a box is x_1, y_1, x_2, y_2 in pixels, so give all four or none"
        return [Problem(None, column, None, words) for column in absent]
    problems = []
    empty = table[BOX].isna()
    partly = (empty.any(axis=1) & ~empty.all(axis=1)).to_numpy()
    edges = _edges(table)
    for column in BOX:
        no_number = ~np.isfinite(edges[column]) & ~empty[column]
        problems += in_rows(table, no_number, column, "{value!r} is not a number; write the box's edge in pixels")
        problems += in_rows(table, partly & empty[column], column, "the box lacks this edge; give all four or none")
    for low, high in (("x_1", "x_2"), ("y_1", "y_2")):
        problems += in_rows(
            table,
            edges[low] < 0,
            low,
            "the box begins at {value}, outside the picture; begin at 0 or more",
        )
        flat = edges[high] <= edges[low]
        words = f"{{value}} is not greater than {low}; the box is x_1 < x_2 and y_1 < y_2"
        problems += in_rows(table, flat, high, words)
    return problems


def _flags(table: pd.DataFrame) -> list[Problem]:
    given = [column for column in FLAGS if column in table]
    if not given:
        return []
    if len(given) == 1:
        absent = next(column for column in FLAGS if column not in given)
        return [Problem(None, absent, None, f"the column is missing; {given[0]} has a meaning only beside it")]
    problems = []
    for column in FLAGS:
        if table[column].dtype != bool:
            words = table[column].astype("string").str.strip().str.lower()
            wrong = words.notna() & ~words.isin(TRUE + FALSE)
            problems += in_rows(table, wrong, column, "{value!r} is neither true nor false; write one")
            if not wrong.any():
                problems.append(Problem(None, column, None, f"it is {table[column].dtype}, not bool; use read_table"))
    if not problems:
        idle = (table["split"].isin(SPLITS[1:]) & ~table["is_query"] & ~table["is_gallery"]).sum()
        if idle:
            what = f"{idle} pictures of the evaluated splits are neither query nor gallery, so they are not looked at"
            problems.append(Problem(None, "is_query", None, f"{what}; flag them or delete them", "warning"))
    return problems


def _unreadable_pictures(table: pd.DataFrame, there: np.ndarray) -> list[Problem]:
    from kinsight.pictures.decoding import open_picture

    problems = []
    sizes = pd.DataFrame(np.nan, index=table.index, columns=["wide", "high"])
    # A picture may have many rows, one a box: it is decoded once.
    for path, rows in table[there].groupby("path", sort=False).indices.items():
        places = np.flatnonzero(there)[rows]
        try:
            sizes.iloc[places] = open_picture(str(path)).size
        except KinsightError as problem:
            problems.append(Problem(spreadsheet_row(table, int(places[0])), "path", path, str(problem)))
    if set(BOX) <= set(table.columns):
        for column, way in (("x_2", "wide"), ("y_2", "high")):
            beyond = _edges(table)[column] > sizes[way]
            words = f"the box ends at {{value}}, where the picture is less {way}; cut the box to the picture"
            problems += in_rows(table, beyond, column, words)
    return problems


def _edges(table: pd.DataFrame) -> pd.DataFrame:
    return table[BOX].apply(pd.to_numeric, errors="coerce").astype("float64")


def _without_common_folder(ids: pd.Series) -> pd.Series:
    if not ids.str.startswith("/").all():
        return ids
    common = os.path.commonpath([os.path.dirname(ids.min()), os.path.dirname(ids.max())])  # those between share it too
    return ids.str.slice(len(common.rstrip("/")) + 1)
