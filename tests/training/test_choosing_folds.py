"""Which classes validate where nobody says it."""

from __future__ import annotations

import pandas as pd
import pytest

from kinsight.data.splits import validation_classes
from kinsight.training.choosing import _telling_fold


def table_of(sizes: list[int]) -> pd.DataFrame:
    labels = [f"class_{number}" for number, size in enumerate(sizes) for _ in range(size)]
    return pd.DataFrame({"label": labels, "split": "train"})


@pytest.mark.parametrize(
    ("sizes", "fold"), [([20] * 6, 0), ([85, 85, 4, 5, 4, 5], 1), ([5, 5, 5, 5, 85, 85], 0), ([1, 1, 1, 90, 1, 1], 2)]
)
def test_the_first_fold_that_holds_half_its_share_validates(sizes: list[int], fold: int) -> None:
    table = table_of(sizes)
    assert _telling_fold(table, 3) == fold
    held = table["label"].isin(validation_classes(table["label"].unique(), fold, 3)).sum()
    assert held >= len(table) / 6
