"""CVUSA, the pairs of panorama and aerial picture (Workman et al. 2015, in the split of Zhai et al. 2017)."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from kinsight.data.sources.listing import first_line
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

_LISTS = {"train": "splits/train-19zl.csv", "test": "splits/val-19zl.csv"}


def _is_here(root: Path) -> bool:
    # Elsewhere lists of these names hold other things.
    return all((root / name).is_file() for name in _LISTS.values()) and "bingmap" in first_line(root / _LISTS["train"])


def _rows(root: Path) -> pd.DataFrame:
    rows = []
    for split, name in _LISTS.items():
        for number, (aerial, street) in enumerate(_pairs(root / name), start=1):
            pair = Path(street).stem
            if Path(aerial).stem != pair:
                raise KinsightError(
                    f"{root / name} line {number} puts {aerial} beside {street}, and the authors' pairs have one number; copy the list anew"
                )
            common = {"label": pair, "pair": pair, "split": split}
            rows += [{"id": street, **common, "view": "street"}, {"id": aerial, **common, "view": "aerial"}]
    return pd.DataFrame(rows)


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Aerial picture and panorama of each line; what else it names (annotations) is left alone.

    Raises:
        KinsightError: a line has no two files.
    """
    found = []
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise KinsightError(f"{path} cannot be read ({problem}); copy the authors' list anew") from None
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line]
        if not any(fields):
            continue
        if len(fields) < 2 or not all(fields[:2]):
            raise KinsightError(
                f"{path} line {number} is not 'aerial picture,panorama[,annotation]' as in the authors' list; copy the list anew"
            )
        found.append((fields[0], fields[1]))
    return found


SOURCE = Source(
    name="cvusa",
    title="CVUSA",
    home="University of Kentucky, mvrl.cse.wustl.edu/datasets/cvusa, on request",
    terms="academic research only",
    layout="""\
CVPR_subset/
  splits/train-19zl.csv  val-19zl.csv
  bingmap/19/0000001.jpg ...
  streetview/panos/0000001.jpg ...""",
    is_here=_is_here,
    rows=_rows,
    total=Count(88_832, 44_416),
    counts={"train": Count(71_064, 35_532), "test": Count(17_768, 8_884)},
    top_folders=("CVPR_subset", "CVUSA"),
)
