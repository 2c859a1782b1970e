"""ImageNet (ILSVRC 2012) as class folders, split for metric learning."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from kinsight.data.sources.listing import file_names, folder_names
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_WNID = re.compile(r"n\d{8}")
_PARTS = {"train": "train", "val": "validation"}
_ENDINGS = (".jpeg", ".jpg", ".png")


def _is_here(root: Path) -> bool:
    names = folder_names(root / "train")
    return bool(names) and all(_WNID.fullmatch(name) for name in names)


def _rows(root: Path) -> pd.DataFrame:
    if (root / "val").is_dir() and not folder_names(root / "val"):
        raise KinsightError(
            f"{root / 'val'} has no class folders; sort its pictures into folders such as n01440764, or move it away"
        )
    rows = [
        (f"{part}/{wnid}/{name}", wnid, official)
        for part, official in _PARTS.items()
        for wnid in folder_names(root / part)
        for name in file_names(root / part / wnid, _ENDINGS)
    ]
    if not rows:
        raise KinsightError(f"{root / 'train'} has class folders but no pictures; put *.JPEG files into them")
    table = pd.DataFrame(rows, columns=["id", "label", "official_split"])
    # train/ and val/ hold the same classes, so for metric learning the classes are halved and both folders used.
    classes = sorted(table["label"].unique())
    table["split"] = np.where(table["label"].isin(classes[: len(classes) // 2]), "train", "test")
    return table


SOURCE = Source(
    name="imagenet_folder",
    title="ImageNet (ILSVRC 2012) in class folders",
    home="image-net.org, after registration (train and validation pictures, sorted into class folders)",
    terms="non-commercial research and education, by registration",
    layout="""\
imagenet/
  train/n01440764/*.JPEG ...
  val/n01440764/*.JPEG ...   (sorted into class folders; may be absent)""",
    is_here=_is_here,
    rows=_rows,
    total=Count(1_331_167, 1_000),
    counts={"train": Count(None, 500), "test": Count(None, 500), "all": Count(1_331_167, 1_000)},
)
