"""Market-1501 (Zheng et al. 2015): persons seen by six cameras."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from kinsight.data.sources.listing import file_names
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_FOLDERS = {"bounding_box_train": "train", "query": "test", "bounding_box_test": "test"}
_NAME = r"(?P<label>-1|\d{4})_c(?P<camera>\d)s(?P<sequence>\d)_\d+_\d+\.jpg"  # 0002_c1s1_000451_03.jpg
_JUNK = -1  # a badly cut box: the protocol leaves it out. 0 is a box without a person: it stays in the gallery.


def _is_here(root: Path) -> bool:
    # DukeMTMC-reID has the same folders but other file names.
    if not all((root / folder).is_dir() for folder in _FOLDERS):
        return False
    return any(re.fullmatch(_NAME, name) for name in file_names(root / "query", (".jpg",))[:1])


def _rows(root: Path) -> pd.DataFrame:
    files = pd.DataFrame(
        [(folder, name) for folder in _FOLDERS for name in file_names(root / folder, (".jpg",))],
        columns=["folder", "name"],
    )
    fields = files["name"].str.extract(f"^{_NAME}$")
    unknown = fields["label"].isna().to_numpy()
    if unknown.any():
        first = files.iloc[int(unknown.argmax())]
        raise KinsightError(
            f"{root / first['folder'] / first['name']} is not named as in Market-1501 (0002_c1s1_000451_03.jpg); "
            f"move it elsewhere"
        )
    label = fields["label"].astype(int)
    return pd.DataFrame(
        {
            "id": files["folder"] + "/" + files["name"],
            "label": label,
            "split": files["folder"].map(_FOLDERS).mask(label == _JUNK),
            "is_query": files["folder"] == "query",
            "is_gallery": files["folder"] == "bounding_box_test",
            "camera": fields["camera"].astype(int),
            # One person before one camera. s1 alone would join all persons and cameras of the first minutes.
            "sequence": files["name"].str.rsplit("_", n=2).str[0],
        }
    )


SOURCE = Source(
    name="market1501",
    title="Market-1501",
    home="Liang Zheng's group, zheng-lab.cecs.anu.edu.au/Project/project_reid.html (Market-1501-v15.09.15.zip)",
    terms="research; pictures of persons: never publish, never identify",
    layout="""\
Market-1501-v15.09.15/
  bounding_box_train/0002_c1s1_000451_03.jpg ...
  query/0001_c1s1_001051_00.jpg ...
  bounding_box_test/0000_c1s1_000151_01.jpg ...""",
    is_here=_is_here,
    rows=_rows,
    total=Count(32_668, 1_501),
    counts={
        "train": Count(12_936, 751),
        "query": Count(3_368, 750),
        "gallery": Count(15_913, 751),  # 19,732 less the junk; 750 persons and the label 0 of the distractors
        "left out": Count(3_819, 1),
    },
    top_folders=("Market-1501-v15.09.15",),
)
