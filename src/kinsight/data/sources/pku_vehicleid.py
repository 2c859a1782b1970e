"""PKU VehicleID (Liu et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kinsight.data.sources.listing import read_list
from kinsight.data.sources.source import Count, Source

_LISTS = Path("train_test_split")
_TEST_IDS = {"large": 2400, "medium": 1600, "small": 800}


def _is_here(root: Path) -> bool:
    return (root / _LISTS / "train_list.txt").is_file() and (root / "image").is_dir()


def _rows(root: Path, test_list: str) -> pd.DataFrame:
    # The test rows carry no query and gallery flags: every picture may ask for all others (as in divide and conquer,
    # Sanakoyeu et al.). The data set's own protocol draws one gallery picture a vehicle, again and again; its numbers
    # are not comparable.
    lists = {"train": "train_list.txt", "test": f"test_list_{_TEST_IDS[test_list]}.txt"}
    columns = {"file": str, "label": int}
    parts = [read_list(root / _LISTS / name, columns).assign(split=part) for part, name in lists.items()]
    table = pd.concat(parts, ignore_index=True)
    table["id"] = "image/" + table.pop("file") + ".jpg"
    return table


SOURCE = Source(
    name="pku_vehicleid",
    title="PKU VehicleID",
    home="Peking University, www.pkuml.org/resources/pku-vehicleid.html, on request with a signed agreement",
    terms="academic research only",
    layout="""\
VehicleID_V1.0/
  train_test_split/train_list.txt  test_list_800.txt  test_list_1600.txt  test_list_2400.txt
  image/0000001.jpg ...""",
    is_here=_is_here,
    rows=_rows,
    total=Count(221_763, 26_267),
    counts={"train": Count(113_346, 13_164)},
    top_folders=("VehicleID_V1.0",),
    options={
        "test_list": {
            "large": {"test": Count(19_777, 2_400)},
            "medium": {"test": Count(13_377, 1_600)},
            "small": {"test": Count(6_493, 800)},
        }
    },
)
