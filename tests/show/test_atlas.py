from __future__ import annotations

import numpy as np
import pytest

from kinsight.show.plane.crowding import sampled_rows, spread
from kinsight.show.plane.layouts import T_SNE
from kinsight.show.plane.layouts import places as laid_out
from show.made_run import clustered


@pytest.mark.parametrize(("rows", "dim"), [(1, 4), (2, 4), (7, 1), (8, 4), (9, 1), (12, 3)])
def test_few_vectors_have_finite_places(rows: int, dim: int) -> None:
    places = laid_out(np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32), T_SNE)
    assert places.shape == (rows, 2)
    assert np.isfinite(places).all()


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_collapsed_vectors_share_one_place(value: float) -> None:
    places = laid_out(np.full((20, 4), value, np.float32), T_SNE)
    np.testing.assert_allclose(places, np.zeros((20, 2)), atol=1e-6)


@pytest.mark.long
def test_layout_is_the_same_twice_and_keeps_classes_together() -> None:
    kinds = np.repeat(np.arange(4), 20)
    vectors = clustered(kinds, 0.2, np.random.default_rng(3))
    places = laid_out(vectors, T_SNE)
    np.testing.assert_array_equal(places, laid_out(vectors, T_SNE))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(axis=1)] == kinds).all()
    # Only directions count.
    lengths = np.random.default_rng(0).uniform(0.5, 2, (len(vectors), 1))
    moved = laid_out(vectors * lengths, T_SNE)
    distances = np.linalg.norm(moved[:, None] - moved[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(axis=1)] == kinds).all()


def test_a_large_set_is_sampled_by_whole_classes() -> None:
    labels = np.repeat([f"class {number}" for number in range(500)], 20)
    rows = sampled_rows(labels, 600)
    assert len(rows) == len(set(rows.tolist())) == 600
    assert (np.diff(rows) > 0).all()
    _, counts = np.unique(labels[rows], return_counts=True)
    assert (counts == 12).all()
    np.testing.assert_array_equal(rows, sampled_rows(labels, 600))
    np.testing.assert_array_equal(sampled_rows(labels[:50], 600), np.arange(50))


def test_one_huge_class_leaves_room_for_others() -> None:
    labels = np.array(["huge"] * 5000 + ["small"] * 30)
    rows = sampled_rows(labels, 100)
    assert (labels[rows] == "small").sum() == 30
    assert len(rows) <= 100


def test_thumbnails_do_not_hide_each_other() -> None:
    generator = np.random.default_rng(0)
    places = generator.uniform(0, 500, (400, 2))
    labels = generator.integers(0, 10, 400)
    kept = spread(places, labels, 60, gap=40)
    assert 30 < len(kept) <= 60
    apart = np.abs(places[kept][:, None] - places[kept][None]).max(axis=2)
    assert (apart[~np.eye(len(kept), dtype=bool)] >= 40).all()
    # Class by class in turn: the first places go to different classes.
    assert len(set(labels[kept[:8]].tolist())) == 8
