"""Pairs of views: columns, problems, batches."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data import PairBatches, check_table, read_table, require_pairs, share, table_digest, view_numbers
from kinsight.errors import KinsightError

NAMES = ("street", "aerial")


def table(folder: Path, *, label: bool = False, leave_out: int = -1) -> pd.DataFrame:
    rows = []
    for pair in range(6):
        for view in NAMES:
            path = folder / f"{pair}-{view}.png"
            Image.new("RGB", (4, 4), (40 * pair, 0, 90)).save(path)
            split = "train" if pair < 4 else "test"
            rows.append({"path": path.name, "pair": f"0{pair}", "view": view, "split": split, "label": pair // 2})
    frame = pd.DataFrame(rows).drop(columns=[] if label else "label").drop(index=leave_out, errors="ignore")
    frame.to_csv(folder / "pairs.csv", index=False)
    return read_table(folder / "pairs.csv")


def test_a_pair_is_a_class_unless_a_label_says_otherwise(tmp_path: Path):
    assert table(tmp_path)["label"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert table(tmp_path, label=True)["label"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert table(tmp_path)["pair"].tolist()[:3] == ["00", "00", "01"]


def test_rows_of_two_paths_become_rows_of_two_views(tmp_path: Path):
    table(tmp_path)
    both = pd.DataFrame({"ground_path": ["0-street.png"], "aerial_path": ["0-aerial.png"], "pair_id": ["a"]})
    both.to_csv(tmp_path / "both.csv", index=False)
    found = read_table(tmp_path / "both.csv")
    assert found["view"].tolist() == ["street", "aerial"]
    assert found["camera"].tolist() == ["ground", "aerial"]


def test_views_are_numbered_as_the_streams_stand(tmp_path: Path):
    found = table(tmp_path)
    assert view_numbers(found, NAMES).tolist() == [0, 1] * 6
    assert view_numbers(found, NAMES[::-1], np.array([2, 3])).tolist() == [1, 0]
    with pytest.raises(KinsightError, match=r"0-street\.png is of the view 'street'"):
        view_numbers(found, ("ground", "aerial"))
    with pytest.raises(KinsightError, match="no column view"):
        view_numbers(found.drop(columns="view"), NAMES)


def test_a_pair_that_lacks_a_view_is_named(tmp_path: Path):
    require_pairs(table(tmp_path), NAMES, "train")
    found = table(tmp_path, leave_out=3)
    with pytest.raises(KinsightError, match=r"pair 1 \(train\) has no picture of the view aerial; add it"):
        require_pairs(found, NAMES, "train")
    require_pairs(found, NAMES, "test")
    warnings = [problem for problem in check_table(found) if problem.column == "view"]
    assert [problem.severity for problem in warnings] == ["warning"]
    assert "1 pairs in train have pictures of one view only (01)" in str(warnings[0])


def test_the_digest_knows_the_views(tmp_path: Path):
    found = table(tmp_path)
    swapped = found.assign(view=found["view"].map({"street": "aerial", "aerial": "street"}))
    assert table_digest(found) != table_digest(swapped)


def test_a_batch_holds_pairs_and_an_epoch_every_pair_once():
    random = np.random.default_rng(0)
    order = random.permutation(40)
    labels, views = (order // 2)[:], order % 2
    sampler = PairBatches(labels, views, 8, seed=3)
    assert len(sampler) == 5
    orders = []
    for epoch in range(2):
        rows = np.array([[draw.index for draw in batch.draws] for batch in sampler.epoch(epoch)])  # (5, 8)
        assert sorted(rows.ravel().tolist()) == list(range(40))
        assert (views[rows] == [0, 1] * 4).all()
        assert (labels[rows[:, ::2]] == labels[rows[:, 1::2]]).all()
        orders.append(rows.tolist())
    assert orders[0] != orders[1]
    again = [batch.draws for batch in sampler.epoch(1, start=3)]
    assert again == [batch.draws for batch in sampler.epoch(1)][3:]
    seeds = [draw.seed for batch in sampler.epoch(0) for draw in batch.draws]
    assert len(set(seeds)) == 40


def test_two_processes_get_whole_pairs_between_them():
    labels, views = np.repeat(np.arange(9), 2), np.tile([0, 1], 9)
    for batch in PairBatches(labels, views, 6).epoch(0):
        shares = [share(batch, rank, 2) for rank in range(2)]
        assert shares[0] + shares[1] == batch.draws
        assert all({views[draw.index] for draw in each} == {0, 1} for each in shares)


def test_several_pictures_of_a_view_all_pass():
    labels = np.array([0, 0, 0, 0, 1, 1, 1])  # class 0 has one picture of view 0 and three of view 1
    views = np.array([0, 1, 1, 1, 0, 0, 1])
    sampler = PairBatches(labels, views, 10)
    (batch,) = sampler.epoch(0)
    counts = np.bincount([draw.index for draw in batch.draws], minlength=7)
    assert counts.tolist() == [3, 1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("labels", "views", "size", "words"),
    [
        ([0, 0, 1, 1], [0, 1, 0, 1], 3, "write an even number"),
        ([0, 0, 1, 1], [0, 1, 0, 1], 6, "2 pairs do not fill one batch of 6"),
        ([0, 0, 1], [0, 1, 0], 2, "one view only"),
    ],
)
def test_what_makes_no_pairs_is_one_sentence(labels: list, views: list, size: int, words: str):
    with pytest.raises(KinsightError, match=words):
        PairBatches(labels, views, size)


def test_nothing_is_said_of_tables_without_views(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    assert not [problem for problem in check_table(table(tmp_path).drop(columns="view")) if problem.column == "view"]
