"""Masks from files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinsight.data import MaskFiles, read_mask, read_table
from kinsight.errors import KinsightError
from shared_data import shared


def _saved(path: Path, values: list[list[int]], mode: str = "L") -> str:
    Image.fromarray(np.array(values, np.uint8)).convert(mode).save(path)
    return str(path)


def test_every_value_but_0_is_object(tmp_path: Path) -> None:
    assert read_mask(_saved(tmp_path / "a.png", [[0, 255], [1, 2]])).tolist() == [[False, True], [True, True]]
    assert read_mask(_saved(tmp_path / "b.png", [[0, 255], [0, 0]], "1")).tolist() == [[False, True], [False, False]]


def test_of_a_trimap_2_is_background(tmp_path: Path) -> None:
    assert read_mask(_saved(tmp_path / "a.png", [[1, 2], [3, 2]])).tolist() == [[True, False], [True, False]]
    # 1 and 3 alone may be any labels of objects.
    assert read_mask(_saved(tmp_path / "b.png", [[1, 1], [3, 3]])).all()


def test_unreadable_masks_are_named(tmp_path: Path) -> None:
    colours = tmp_path / "colours.png"
    Image.new("RGB", (2, 2)).save(colours)
    with pytest.raises(KinsightError, match=r"colours.png has 3 channels; store it with one"):
        read_mask(str(colours))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    with pytest.raises(KinsightError, match=r"broken\.png cannot be read"):
        read_mask(str(broken))
    with pytest.raises(KinsightError, match=r"missing\.png"):
        read_mask(str(tmp_path / "missing.png"))


def test_masks_of_the_pets_fill_their_boxes() -> None:
    """The boxes of this data set are drawn round the values 1 and 3 of the trimaps."""
    table = read_table(shared("data/oxford_pets_masks.zip"), split_by="halves").iloc[::100]
    masks = MaskFiles(table["mask_path"].tolist())
    assert len(masks) == 7
    for number, (_, row) in enumerate(table.iterrows()):
        rows, columns = np.nonzero(masks[number])
        found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert found == (row["x_1"], row["y_1"], row["x_2"], row["y_2"])
