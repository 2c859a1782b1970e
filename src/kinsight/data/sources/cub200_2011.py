"""Caltech-UCSD Birds-200-2011 (Wah et al. 2011)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from kinsight.data.sources.listing import first_line, read_list
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_TRAIN_CLASSES = 100  # the metric-learning split: the first half of the classes trains, the second half tests

_LISTS: dict[str, dict[str, type]] = {
    "image_class_labels.txt": {"label": int},
    "train_test_split.txt": {"is_train": int},
    "bounding_boxes.txt": {"x": float, "y": float, "width": float, "height": float},
}


def _is_here(root: Path) -> bool:
    # NABirds uses the same file names; only here class names carry their three-digit number.
    lists = ("images.txt", "image_class_labels.txt")
    return all((root / name).is_file() for name in lists) and bool(
        re.fullmatch(r"\d+ \d{3}\.\S+", first_line(root / "classes.txt"))
    )


def _rows(root: Path) -> pd.DataFrame:
    table = read_list(root / "images.txt", {"image_id": int, "file": str})
    for name, columns in _LISTS.items():
        table = _joined(table, read_list(root / name, {"image_id": int} | columns), root / name)
    classes = read_list(root / "classes.txt", {"label": int, "name": str}).set_index("label")["name"]
    return pd.DataFrame(
        {
            "id": "images/" + table["file"],
            "label": table["label"],
            "split": np.where(table["label"] <= _TRAIN_CLASSES, "train", "test"),
            "official_split": np.where(table["is_train"] == 1, "train", "test"),
            "class_name": table["label"].map(classes.str.partition(".")[2].str.replace("_", " ")),
            # Pixels are counted from 0: boxes begin at 0, and one round the whole picture is 0 0 width height.
            "x_1": table["x"],
            "y_1": table["y"],
            "x_2": table["x"] + table["width"],
            "y_2": table["y"] + table["height"],
        }
    )


def read_parts(folder: str | Path) -> pd.DataFrame:
    """The visible part locations, one row a part of a picture: `id`, `part` (its name), `x`, `y` (pixels, as given).

    Raises:
        KinsightError: the data set or its folder parts/ is not there.
    """
    root = SOURCE.root(folder)
    if root is None:
        raise KinsightError(f"{folder} does not hold {SOURCE.title}; give the folder with images.txt and parts/")
    columns = {"image_id": int, "part_id": int, "x": float, "y": float, "visible": int}
    points = read_list(root / "parts" / "part_locs.txt", columns)
    points = points[points["visible"] == 1].reset_index(drop=True)
    files = read_list(root / "images.txt", {"image_id": int, "file": str}).set_index("image_id")["file"]
    return pd.DataFrame(
        {
            "id": "images/" + points["image_id"].map(files),
            "part": points["part_id"].map(_part_names(root / "parts" / "parts.txt")),
            "x": points["x"],
            "y": points["y"],
        }
    )


def _part_names(path: Path) -> dict[int, str]:
    # Names hold blanks ("left eye"), so this list is not one of blank-separated fields.
    if not path.is_file():
        raise KinsightError(f"{path} is missing; unpack the authors' archive again, it holds this list")
    try:
        lines = (line.strip().partition(" ") for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        return {int(number): name for number, _, name in lines}
    except ValueError as problem:  # also of bytes that are no UTF-8
        raise KinsightError(f"{path} is not the authors' list ({problem}); copy the list anew") from None


def _joined(table: pd.DataFrame, other: pd.DataFrame, path: Path) -> pd.DataFrame:
    joined = table.merge(other.drop_duplicates("image_id"), on="image_id", sort=False)
    if not len(joined) == len(table) == len(other):
        raise KinsightError(f"{path} and images.txt do not list the same pictures; copy both from the authors' archive")
    return joined


SOURCE = Source(
    name="cub200_2011",
    title="CUB-200-2011",
    home="Caltech, data.caltech.edu, record 65de6-vp158 (CUB_200_2011.tgz)",
    terms="non-commercial research and education; the photographs belong to their owners",
    layout="""\
CUB_200_2011/
  images.txt  image_class_labels.txt  classes.txt  train_test_split.txt  bounding_boxes.txt
  images/001.Black_footed_Albatross/*.jpg ...
  parts/parts.txt  parts/part_locs.txt""",
    is_here=_is_here,
    rows=_rows,
    total=Count(11_788, 200),
    counts={"train": Count(5_864, 100), "test": Count(5_924, 100)},
    top_folders=("CUB_200_2011",),
)
