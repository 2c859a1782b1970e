"""The real data sets at hand, read as they are; counts are those that their authors give."""

import pytest

from kinsight.data.checking import check_table, describe, require_sound
from kinsight.data.table import read_table
from kinsight.errors import KinsightError
from shared_data import shared


def _counts(name: str, **options: str) -> dict[str, tuple[int, int]]:
    table = read_table(shared(f"data/{name}.zip"), **options)
    assert [problem for problem in check_table(table) if problem.severity == "error"] == []
    return {split: (int(part["pictures"]), int(part["classes"])) for split, part in describe(table).items()}


@pytest.mark.long
def test_cars196_crops() -> None:
    assert _counts("cars196_crops", split_by="dml_split") == {"train": (1960, 98), "test": (1960, 98)}
    # The metric-learning split of the data set is the one by halves.
    assert _counts("cars196_crops") == {"train": (1960, 98), "test": (1960, 98)}


@pytest.mark.long
def test_cub200_2011_crops100() -> None:
    counts = _counts("cub200_2011_crops100", split_by="dml_split")
    assert {split: classes for split, (_, classes) in counts.items()} == {"train": 50, "test": 50}
    assert sum(pictures for pictures, _ in counts.values()) == 5902
    assert counts == _counts("cub200_2011_crops100", split_by="halves")


def test_the_official_split_of_birds_shares_classes_and_the_repair_is_named() -> None:
    table = read_table(shared("data/cub200_2011_crops100.zip"))
    with pytest.raises(
        KinsightError, match=r"class 0 is both in train .* \(99 other classes too\).*split_by dml_split$"
    ):
        require_sound(table)
    require_sound(table, seen_classes_allowed=True)


def test_cub200_2011_full27_has_boxes_inside_its_pictures() -> None:
    table = read_table(shared("data/cub200_2011_full27.zip"), split_by="dml_split")
    require_sound(table)
    assert len(table) == 1549
    assert table["label"].nunique() == 27
    assert not {"x", "y", "w", "h"} & set(table.columns)
    assert (table["x_1"] >= 0).all()
    assert (table["x_2"] <= table["width"]).all()
    assert (table["y_2"] <= table["height"]).all()


def test_oxford_pets_masks() -> None:
    table = read_table(shared("data/oxford_pets_masks.zip"))
    require_sound(table)
    assert (len(table), table["label"].nunique()) == (692, 32)
    assert table["mask_path"].str.contains(r"\.zip/oxford_pets_masks/masks/").all()
    assert table[["x_1", "y_1", "x_2", "y_2", "head_x"]].notna().sum().tolist() == [692, 692, 692, 692, 296]
    assert sorted(problem.severity for problem in check_table(table)) == ["warning", "warning"]  # single pictures


def test_cuhk03_has_queries_a_gallery_and_cameras() -> None:
    table = read_table(shared("data/cuhk03_labeled_64x128.zip"))
    assert check_table(table) == []
    counts = describe(table)
    assert (counts["train"]["classes"], counts["test"]["classes"]) == (400, 100)
    assert counts["train"]["pictures"] + counts["test"]["pictures"] == 4824
    # A query is the first shot of each of the 100 persons in each of two cameras.
    assert counts["test"]["queries"] == 200
    assert counts["test"]["queries"] + counts["test"]["gallery"] == counts["test"]["pictures"]
    assert sorted(table["camera"].unique()) == [1, 2]


def test_orl_faces() -> None:
    assert _counts("orl_faces") == {"train": (200, 20), "test": (200, 20)}


@pytest.mark.parametrize(("number", "pictures"), [(1, 2720), (2, 3120)])
def test_omniglot_classes_are_alphabet_and_character(number: int, pictures: int) -> None:
    table = read_table(shared(f"data/omniglot_small/images_background_small{number}.zip"))
    require_sound(table)
    assert len(table) == pictures
    assert (table["label"].value_counts() == 20).all()  # each character was drawn by 20 people
    assert table["label"].str.fullmatch(r"[^/]+/character\d\d").all()
    assert table["label"].str.partition("/")[0].nunique() == 5  # alphabets


def test_crossview_pairs_become_two_rows_each() -> None:
    table = read_table(shared("data/crossview_pairs.zip"))
    require_sound(table)
    assert len(table) == 58
    assert table["pair"].nunique() == 29
    assert table["camera"].value_counts().to_dict() == {"ground": 29, "aerial": 29}
    assert table.groupby("label")["camera"].nunique().eq(2).all()


def test_named_photos_have_no_label() -> None:
    with pytest.raises(KinsightError, match=r"metadata\.csv has no column label; it has path, .*imagenet_class"):
        read_table(shared("data/named_photos.zip"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["orl_faces", "cub200_2011_full27"])
def test_every_picture_of_a_real_table_is_readable(name: str) -> None:
    table = read_table(shared(f"data/{name}.zip"), split_by="halves")
    assert check_table(table, pictures=True) == []
