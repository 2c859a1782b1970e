"""Cars196, also called Stanford Cars (Krause et al. 2013), in both layouts that its authors gave out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_TRAIN_CLASSES = 98  # the metric-learning split: the first half of the classes trains, the second half tests


def _is_here(root: Path) -> bool:
    return (root / "cars_annos.mat").is_file() or _find(root, "cars_train_annos.mat") is not None


def _rows(root: Path) -> pd.DataFrame:
    if (root / "cars_annos.mat").is_file() and (root / "car_ims").is_dir():
        table = _one_folder(root)
    elif (root / "cars_train").is_dir():
        table = _two_folders(root)
    else:
        raise KinsightError(
            f"{root} has the annotations of Cars196 but not its pictures; put the folder car_ims/ beside "
            f"cars_annos.mat, or cars_train/ and cars_test/ beside devkit/"
        )
    table["split"] = np.where(table["label"] <= _TRAIN_CLASSES, "train", "test")
    return table


def _one_folder(root: Path) -> pd.DataFrame:
    path = root / "cars_annos.mat"
    variables = _load(path, "annotations", "class_names")
    table = _table(variables["annotations"], path, "relative_im_path", "test")
    table["official_split"] = np.where(table.pop("test") == 1, "test", "train")
    return _named(table, variables["class_names"])


def _two_folders(root: Path) -> pd.DataFrame:
    parts = []
    for part, name in {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}.items():
        path = _find(root, name)
        if path is None:
            raise KinsightError(
                f"{root} has no devkit/{name}; put it there (the authors gave the test labels out as a separate file, "
                f"cars_test_annos.mat has none)"
            )
        table = _table(_load(path, "annotations")["annotations"], path, "fname")
        parts.append(table.assign(id=f"cars_{part}/" + table["id"], official_split=part))
    table = pd.concat(parts, ignore_index=True)
    meta = _find(root, "cars_meta.mat")
    return table if meta is None else _named(table, _load(meta, "class_names")["class_names"])


def _named(table: pd.DataFrame, names: np.ndarray) -> pd.DataFrame:
    return table.assign(class_name=table["label"].map(dict(enumerate(np.ravel(names), start=1))))


def _table(annotations: np.ndarray, path: Path, file_field: str, *more: str) -> pd.DataFrame:
    annotations = np.ravel(annotations)
    needed = [file_field, "class", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", *more]
    lacking = [name for name in needed if name not in (annotations.dtype.names or ())]
    if lacking:
        raise KinsightError(f"{path} has no field {lacking[0]} in annotations; copy the authors' file anew")

    def numbers(name: str) -> np.ndarray:
        return annotations[name].astype(np.int64)  # stored as uint8 or uint16, where 0 - 1 would wrap around

    return pd.DataFrame(
        {
            "id": annotations[file_field].astype(str),
            "label": numbers("class"),
            # The authors count pixels from 1 and mean the last pixel itself.
            "x_1": (numbers("bbox_x1") - 1).clip(0),
            "y_1": (numbers("bbox_y1") - 1).clip(0),
            "x_2": numbers("bbox_x2"),
            "y_2": numbers("bbox_y2"),
            **{name: numbers(name) for name in more},
        }
    )


def _load(path: Path, *names: str) -> dict[str, np.ndarray]:
    try:
        variables = scipy.io.loadmat(path, squeeze_me=True, variable_names=list(names))
    except Exception as problem:  # a broken MAT file fails in many ways, none of them the program's fault
        raise KinsightError(f"{path} is not a readable MAT file ({problem}); copy the authors' file anew") from None
    lacking = [name for name in names if name not in variables]
    if lacking:
        raise KinsightError(f"{path} has no variable {lacking[0]}; copy the authors' file anew")
    return variables


def _find(root: Path, name: str) -> Path | None:
    # cars_test_annos_withlabels.mat was offered beside the devkit, and copies keep it in either place.
    return next((path for path in (root / "devkit" / name, root / name) if path.is_file()), None)


SOURCE = Source(
    name="cars196",
    title="Cars196",
    home="no longer offered: the authors' page at Stanford (ai.stanford.edu/~jkrause/cars) is gone since 2023",
    terms="non-commercial research; the photographs belong to their owners",
    layout="""\
cars196/                                    or  stanford_cars/
  cars_annos.mat                                  devkit/cars_train_annos.mat  devkit/cars_meta.mat
  car_ims/000001.jpg ...                          devkit/cars_test_annos_withlabels.mat
                                                  cars_train/00001.jpg ...  cars_test/00001.jpg ...""",
    is_here=_is_here,
    rows=_rows,
    total=Count(16_185, 196),
    counts={"train": Count(8_054, 98), "test": Count(8_131, 98)},
)
