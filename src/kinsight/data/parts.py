"""Where the parts of the pictures of a table are: beak, wing, left eye."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from kinsight.data.containers import MOST_BYTES
from kinsight.data.sources import cub200_2011
from kinsight.errors import KinsightError
from kinsight.pictures import exists, read_bytes

Point = tuple[float, float]
_FILE = "parts.csv"
_LABELS = "part_labels.csv"
_COLUMNS = ("path", "part", "x", "y")


def read_parts(table: pd.DataFrame) -> dict[str, dict[str, Point]]:
    """The annotated part points of the pictures of an image table, from the `parts.csv` beside its own file.

    `parts.csv` has a row for each part of a picture: path (as the table gives it), part, x, y in pixels of the upright picture, and
    perhaps visible (1 or 0); parts that are not listed are not visible. The parts of CUB-200-2011 are also read as its authors give them.

    Args:
        table: what `read_table` gave, or some of its rows.

    Returns:
        For every id the point (x, y) of every part that occurs in the file; NaN, NaN where it is not visible.

    Raises:
        KinsightError: there is no such file, or it cannot be understood.
    """
    if not len(table):
        return {}
    points = _points(table)
    names = [str(name) for name in dict.fromkeys(points["part"])]
    hidden = dict.fromkeys(names, (np.nan, np.nan))
    by_path: dict[str, dict[str, Point]] = {}
    seen = points[points["visible"].astype(bool)]
    for path, part, x, y in zip(seen["path"], seen["part"], seen["x"].tolist(), seen["y"].tolist(), strict=True):
        by_path.setdefault(path, {})[str(part)] = (x, y)
    return {
        str(item): {**hidden, **by_path.get(path, {})} for item, path in zip(table["id"], table["path"], strict=True)
    }


def read_part_labels(table: pd.DataFrame) -> dict[int, str]:
    """What the numbers of part masks (column `part_mask_path`) stand for, from `part_labels.csv` beside the table's own file.

    It has the columns number and part; 0 is no part.

    Raises:
        KinsightError: there is no such file, or it cannot be understood.
    """
    name = f"{_base(table)}/{_LABELS}"
    if not exists(name):
        raise KinsightError(
            f"{name} does not exist: write it there with the columns number and part, which part masks are read by"
        )
    try:
        rows = pd.read_csv(io.BytesIO(read_bytes(name, most=MOST_BYTES)), dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as problem:
        raise KinsightError(f"{name} is not a CSV table ({problem}); write number, part with one header row") from None
    if not {"number", "part"} <= set(rows.columns):
        raise KinsightError(f"{name} has the columns {', '.join(rows.columns)}; it needs number and part")
    found: dict[int, str] = {}
    for row, (number, part) in enumerate(zip(rows["number"], rows["part"], strict=True), start=2):
        if (
            not number.strip().isdecimal()
            or len(number.strip()) > 5
            or not int(number) > 0
            or int(number) in found
            or not part
        ):
            raise KinsightError(
                f"{name} row {row}: number {number!r}, part {part!r}; write each whole number above 0 once, with the name of its part"
            )
        found[int(number)] = part
    return found


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Columns path (absolute), part, x, y, visible."""
    base = _base(table)
    name = f"{base}/{_FILE}"
    if exists(name):
        return _read_csv(name, base)
    if exists(f"{base}/parts/part_locs.txt"):
        points = cub200_2011.read_parts(base)
        return points.assign(path=f"{base}/" + points["id"], visible=1)
    raise KinsightError(
        f"{name} does not exist: where the parts of these pictures are is not known; write it there with the columns path, part, x, y"
    )


def _base(table: pd.DataFrame) -> str:
    """The folder, or place in a zip, that the table's ids begin at."""
    item, path = str(table["id"].iloc[0]).split("#")[0], str(table["path"].iloc[0])
    if not path.endswith(f"/{item}"):
        raise KinsightError(
            f"the path {path} does not end in its id {item}, so that the folder of {_FILE} is not known; give a table whose ids are paths"
        )
    return path[: -len(item) - 1]


def _read_csv(name: str, base: str) -> pd.DataFrame:
    try:
        points = pd.read_csv(
            io.BytesIO(read_bytes(name, most=MOST_BYTES)), dtype={"path": str, "part": str}, keep_default_na=False
        )
    except (ValueError, UnicodeDecodeError) as problem:
        raise KinsightError(
            f"{name} is not a CSV table ({problem}); write path, part, x, y with one header row"
        ) from None
    missing = [column for column in _COLUMNS if column not in points]
    if missing:
        raise KinsightError(f"{name} has no column {', '.join(missing)}; it needs {', '.join(_COLUMNS)}")
    if "visible" not in points:
        points["visible"] = 1
    for column in ("x", "y", "visible"):
        # A part that is not visible may have no place.
        numbers = pd.to_numeric(points[column], errors="coerce")
        wrong = numbers.isna() & (points[column].astype(str) != "")
        if wrong.any() or (column == "visible" and numbers.isna().any()):
            row = int(np.flatnonzero(wrong | numbers.isna())[0])
            raise KinsightError(
                f"{name} row {row + 2}, column {column}: {points[column].iloc[row]!r} is not a number; write one"
            )
        points[column] = numbers
    unplaced = points["x"].isna() | points["y"].isna()
    points["visible"] = points["visible"].ne(0) & ~unplaced
    points["path"] = [path if path.startswith("/") else f"{base}/{path}" for path in points["path"]]
    return points
