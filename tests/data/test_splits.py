import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsight.data.splits import halves, validation_classes, with_validation
from kinsight.errors import KinsightError


def test_the_first_half_of_the_sorted_classes_trains() -> None:
    labels = ["owl", "ant", "bee", "owl", "cat"]
    assert halves(labels).tolist() == ["test", "train", "train", "test", "test"]


def test_number_classes_are_sorted_as_numbers() -> None:
    assert halves([10, 9, 2, 1]).tolist() == ["test", "test", "train", "train"]


def test_an_odd_class_goes_to_test() -> None:
    assert halves([1, 2, 3]).tolist() == ["train", "test", "test"]


@pytest.mark.parametrize(("classes", "train"), [(200, 100), (196, 98), (22634, 11317)])
def test_published_halves(classes: int, train: int) -> None:
    split = halves(np.arange(classes))
    assert (split == "train").sum() == train
    assert (split[:train] == "train").all()


@given(st.lists(st.integers(-5, 50), min_size=1, max_size=60))
def test_halves_never_split_a_class(labels: list[int]) -> None:
    sides = pd.Series(halves(labels)).groupby(labels).nunique()
    assert (sides == 1).all()
    trained = {label for label, split in zip(labels, halves(labels), strict=True) if split == "train"}
    assert trained == set(sorted(set(labels))[: len(set(labels)) // 2])


# Musgrave et al. 2020: classes of the training half, of which this many train and validate, and where the folds begin.
@pytest.mark.parametrize(
    ("classes", "train", "validation", "starts"),
    [
        (100, 75, 25, [0, 25, 50, 75]),
        (98, 74, 24, [0, 24, 49, 73]),
        (11317, 8488, 2829, [0, 2829, 5658, 8487]),
    ],
)
def test_reality_check_folds(classes: int, train: int, validation: int, starts: list[int]) -> None:
    for fold, start in enumerate(starts):
        chosen = validation_classes(range(classes), fold)
        first = start + train
        assert chosen == [(first + step) % classes for step in range(validation)]
        assert len(set(range(classes)) - set(chosen)) == train


def test_reality_check_folds_of_cub_written_out() -> None:
    """Property 5 of the protocol's facts."""
    folds = [validation_classes(range(100), fold) for fold in range(4)]
    assert folds == [list(range(75, 100)), list(range(25)), list(range(25, 50)), list(range(50, 75))]


@given(st.sets(st.integers(0, 500), min_size=2, max_size=120), st.integers(2, 8))
def test_folds_are_disjoint_and_equal(classes: set[int], folds: int) -> None:
    """Property 5 of the protocol's facts."""
    if len(classes) < folds:
        with pytest.raises(KinsightError, match="fewer folds"):
            validation_classes(list(classes), 0, folds)
        return
    chosen = [set(validation_classes(list(classes), fold, folds)) for fold in range(folds)]
    assert {len(fold) for fold in chosen} == {len(classes) // folds}
    assert sum(map(len, chosen)) == len(set.union(*chosen))
    assert set.union(*chosen) <= classes


@pytest.mark.parametrize(
    ("fold", "folds", "said"), [(4, 4, "give 0 to 3"), (-1, 4, "give 0 to 3"), (0, 1, "2 or more")]
)
def test_impossible_folds_are_refused(fold: int, folds: int, said: str) -> None:
    with pytest.raises(KinsightError, match=said):
        validation_classes(range(20), fold, folds)


def _table(classes: int = 8) -> pd.DataFrame:
    labels = np.repeat(np.arange(2 * classes), 2)
    return pd.DataFrame({"label": labels, "split": halves(labels)})


def test_validation_classes_leave_train() -> None:
    table = _table()
    moved = with_validation(table, 0)
    assert sorted(moved.loc[moved["split"] == "validation", "label"].unique()) == [6, 7]
    assert sorted(moved.loc[moved["split"] == "train", "label"].unique()) == list(range(6))
    assert (moved["split"] == "test").equals(table["split"] == "test")
    assert not (table["split"] == "validation").any()  # the given table is left alone


def test_moved_pictures_are_searched_for_among_themselves() -> None:
    table = _table()
    table["is_query"] = table["is_gallery"] = False
    table.loc[table["split"] == "test", "is_query"] = True
    moved = with_validation(table, 1)
    chosen = moved["split"] == "validation"
    assert moved.loc[chosen, ["is_query", "is_gallery"]].to_numpy().all()
    assert not moved.loc[moved["split"] == "train", "is_query"].any()
    assert moved.dtypes[["is_query", "is_gallery"]].eq(bool).all()


def test_a_second_validation_split_is_refused() -> None:
    with pytest.raises(KinsightError, match="already has validation rows"):
        with_validation(with_validation(_table(), 0), 0)
