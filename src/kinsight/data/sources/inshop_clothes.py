"""In-Shop Clothes Retrieval, a benchmark of DeepFashion (Liu et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kinsight.data.sources.listing import first_line, read_list
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_PARTITION = Path("Eval/list_eval_partition.txt")
_STATUS = ("train", "query", "gallery")


def _partition(root: Path) -> Path | None:
    # CelebA and the other DeepFashion benchmarks have a file of this name too: only the heading tells them apart.
    candidates = (root / _PARTITION, root / _PARTITION.name)
    heading = ["image_name", "item_id", "evaluation_status"]
    return next((path for path in candidates if first_line(path, 2).split() == heading), None)


def _is_here(root: Path) -> bool:
    return _partition(root) is not None


def _rows(root: Path) -> pd.DataFrame:
    path = _partition(root) or root / _PARTITION
    table = read_list(path, {"file": str, "label": str, "status": str}, skip=2)
    wrong = ~table["status"].isin(_STATUS).to_numpy()
    if wrong.any():
        line = int(wrong.argmax())
        raise KinsightError(
            f"{path} line {line + 3}: '{table['status'].iloc[line]}' is not an evaluation status; write "
            f"{', '.join(_STATUS)}"
        )
    # The authors keep img.zip in Img/; unpacked there it gives Img/img/, but many unpack it one level up.
    folder = "Img/" if (root / "Img" / "img").is_dir() else ""
    return pd.DataFrame(
        {
            "id": folder + table["file"],
            "label": table["label"],
            "split": np.where(table["status"] == "train", "train", "test"),
            "is_query": table["status"] == "query",
            "is_gallery": table["status"] == "gallery",
            "category": table["file"].str.extract(r"^img/(.+)/id_\d+/", expand=False),  # WOMEN/Dresses
        }
    )


SOURCE = Source(
    name="inshop_clothes",
    title="In-Shop Clothes Retrieval (DeepFashion)",
    home="CUHK Multimedia Lab, mmlab.ie.cuhk.edu.hk/projects/DeepFashion, on request (img.zip and Eval/)",
    terms="non-commercial research and education",
    layout="""\
In-shop Clothes Retrieval Benchmark/
  Eval/list_eval_partition.txt
  Img/img/WOMEN/Dresses/id_00000002/*.jpg ...   (from img.zip; img/ beside Eval/ will do)""",
    is_here=_is_here,
    rows=_rows,
    total=Count(52_712, 7_982),
    counts={"train": Count(25_882, 3_997), "query": Count(14_218, 3_985), "gallery": Count(12_612, 3_985)},
    top_folders=("In-shop Clothes Retrieval Benchmark",),
)
