"""Verbs that read a table under columns of its own; galleries of one split, and who is found in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinsight.api.matches import gallery_table, rows_met
from kinsight.errors import KinsightError

Call = Callable[..., Any]


@pytest.fixture
def scans(pictures: Path, tmp_path: Path) -> tuple[object, ...]:
    """Options that name a table with columns of its own, away from its pictures."""
    table = pd.read_csv(pictures).rename(columns={"path": "scan", "label": "species"})
    table = table.assign(x_1=4, y_1=4, x_2=30, y_2=30)
    table.to_csv(tmp_path / "scans.csv", index=False)
    columns = ("--path-column", "scan", "--label-column", "species", "--root", pictures.parent)
    return ("--data", tmp_path / "scans.csv", *columns)


@pytest.mark.long
def test_a_table_of_another_tool_is_measured_and_explained(
    kinsight: Call, finished: Path, scans: tuple[object, ...], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))  # what is measured is kept in it
    for words in (
        ("localize", run, "--methods", "decomposition", "--limit", 6),
        ("faithfulness", run, "--methods", "decomposition", "--pairs", 2),
        ("diagnose", run, run, "--splits", "test", "--limit", 6, "--pairs", 0, "--out", tmp_path / "d.html"),
    ):
        said = kinsight(*words, *scans)
        assert said.code == 0, (words, said.err)
    assert "parts.csv does not exist" in kinsight("correspond", run, *scans).sentence
    assert "a single embedding a picture" in kinsight("groups", run, *scans, "--out", tmp_path / "g.html").sentence
    _, table, *columns = scans
    assert kinsight("embed", run, table, *columns, "--out", tmp_path / "e.npz").code == 0
    with np.load(tmp_path / "e.npz") as stored:
        assert set(stored["labels"]) == {f"class_{number:02d}" for number in range(12)}


def test_columns_without_a_table_are_refused(kinsight: Call, finished: Path, tmp_path: Path) -> None:
    said = kinsight("localize", finished, "--path-column", "scan")
    assert said.sentence == "path_column cannot be given without data; it says how another table is read"
    said = kinsight("explain", finished, "a.png", "b.png", "--split", "test", "--out", tmp_path / "a.html")
    assert said.sentence.startswith("split says which pictures of a gallery are found; add --gallery")


def test_a_gallery_may_be_one_split(kinsight: Call, finished: Path, scans: tuple[Any, ...], tmp_path: Path) -> None:
    _, table, *columns = scans
    picture = columns[-1] / "class_09" / "0.png"
    words = (
        "explain",
        finished,
        picture,
        "--gallery",
        table,
        *columns,
        "--top",
        3,
        "--stage",
        0,
        "--out",
        tmp_path / "m.npz",
    )
    said = kinsight(*words, "--split", "train")
    assert said.code == 0, said.err
    found = [line.split()[-1] for line in said.out.splitlines() if line.startswith("match")]
    assert len(found) == 3
    assert max(found) < "class_06"
    assert (
        "has no pictures in the split 'validation'; it has: test, train, all"
        in kinsight(*words, "--split", "validation").sentence
    )


def test_maps_by_methods_meet_what_an_evaluation_would_let_them_meet(
    kinsight: Call, finished: Path, pictures: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(pictures)
    query = pictures.parent / table["path"][0]
    # Everything but one picture is of the query's own sequence.
    table["sequence"] = ["one"] * (len(table) - 1) + ["another"]
    table["path"] = [str(pictures.parent / path) for path in table["path"]]
    table.to_csv(tmp_path / "sequences.csv", index=False)
    words = ("--gallery", tmp_path / "sequences.csv", "--methods", "decomposition", "--out", tmp_path / "m.html")
    said = kinsight("explain", finished, query, *words)
    assert said.code == 0, said.err
    assert f" against class_11/{Path(table['path'].iloc[-1]).name}:" in said.out
    (only,) = rows_met(gallery_table(tmp_path / "sequences.csv"), query)
    assert only == len(table) - 1
    table.iloc[:-1].to_csv(tmp_path / "sequences.csv", index=False)
    assert "the gallery holds no picture beside the query" in kinsight("explain", finished, query, *words).sentence


def test_a_gallery_without_classes_has_no_splits(pictures: Path) -> None:
    with pytest.raises(KinsightError, match="gallery without classes"):
        gallery_table(sorted(map(str, pictures.parent.glob("class_00/*.png"))), split="test")
