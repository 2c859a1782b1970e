"""Stanford Online Products (Oh Song et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kinsight.data.sources.listing import read_list
from kinsight.data.sources.source import Count, Source

_COLUMNS = {"image_id": int, "label": int, "super_class_id": int, "id": str}


def _is_here(root: Path) -> bool:
    return all((root / name).is_file() for name in ("Ebay_train.txt", "Ebay_test.txt"))


def _rows(root: Path) -> pd.DataFrame:
    parts = [read_list(root / f"Ebay_{part}.txt", _COLUMNS, skip=1).assign(split=part) for part in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    table["category"] = table["id"].str.partition("/")[0].str.removesuffix("_final")  # bicycle_final/... -> bicycle
    return table[["id", "label", "split", "category"]]


SOURCE = Source(
    name="stanford_online_products",
    title="Stanford Online Products",
    home="Stanford, cvgl.stanford.edu/projects/lifted_struct (Stanford_Online_Products.zip)",
    terms="research; no licence is stated, the photographs come from eBay listings",
    layout="""\
Stanford_Online_Products/
  Ebay_train.txt  Ebay_test.txt
  bicycle_final/*.JPG  cabinet_final/*.JPG ...""",
    is_here=_is_here,
    rows=_rows,
    total=Count(120_053, 22_634),
    counts={"train": Count(59_551, 11_318), "test": Count(60_502, 11_316)},
    top_folders=("Stanford_Online_Products",),
)
