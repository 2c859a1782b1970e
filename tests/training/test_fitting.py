"""What the data cannot fill is lowered, unless it was written."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from kinsight.data import MPerClassBatches, with_validation
from kinsight.settings.parsing import settings_from
from kinsight.training.fitting import fitted, most_folds


def table_of(classes: int, each: int = 6) -> pd.DataFrame:
    """A table whose classes all train."""
    return pd.DataFrame({"label": [f"c{label:02d}" for label in range(classes) for _ in range(each)], "split": "train"})


@pytest.mark.parametrize("classes", range(4, 20))
@pytest.mark.parametrize(
    "batches", [{"size": 64, "per_class": 4}, {"size": 60, "per_class": 5}, {"size": 9, "per_class": 4}]
)
def test_a_recipe_fits_any_number_of_classes(classes: int, batches: dict[str, Any]) -> None:
    table = table_of(classes)
    settings, _ = fitted(settings_from({"batches": batches}), table, set())
    held = with_validation(table, settings.data.fold or 0, settings.data.folds)
    assert held.loc[held["split"] == "validation", "label"].nunique() >= 2
    labels = held.loc[held["split"] == "train", "label"]
    assert len(MPerClassBatches(labels, settings.batches.size, settings.batches.per_class or 0)) >= 1
    again, sentences = fitted(settings, table, set())
    assert (again, sentences) == (settings, [])


def test_what_fits_is_left_alone() -> None:
    settings = settings_from({"batches": {"size": 64, "per_class": 4}})
    assert fitted(settings, table_of(24), set()) == (settings, [])


def test_what_was_written_is_never_changed() -> None:
    settings = settings_from({"batches": {"size": 64, "per_class": 4}})
    written = {"batches.size", "batches.per_class", "data.folds"}
    assert fitted(settings, table_of(6), written) == (settings, [])
    # A batch that was written is filled with more pictures of each class.
    found, (sentence,) = fitted(settings, table_of(6), {"batches.size", "data.folds"})
    assert (found.batches.size, found.batches.per_class) == (64, 16)
    assert sentence == "batches.per_class: 16 instead of 4, so that 5 training classes fill a batch of 64"


def test_too_few_classes_to_hold_out_two() -> None:
    found, (sentence, *_) = fitted(settings_from({"batches": {"size": 4, "per_class": 2}}), table_of(3), set())
    assert found.data.fold is None
    assert sentence.startswith("no validation: 3 training classes are too few to hold out 2 of them")
    assert [most_folds(classes) for classes in (1, 3, 4, 5, 6, 9)] == [0, 0, 2, 2, 3, 4]


def test_a_uniform_batch_is_no_larger_than_the_pictures() -> None:
    found, (sentence,) = fitted(settings_from({"data": {"fold": None}}), table_of(3), set())
    assert found.batches.size == 18
    assert sentence == "batches.size: 18 instead of 64, which is what 18 training pictures of 3 classes fill"
