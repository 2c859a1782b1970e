"""Peaks lie between places, whatever the order of the places; against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from kinsight.explanation import Pair, View
from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.measuring.boxes import peak_of
from kinsight.explanation.peaks import peak
from reference.peaks import peak_place


def place(values: np.ndarray) -> tuple[float, float]:
    return peak(values, Centres.even((values.shape[0] * 10, values.shape[1] * 10), values.shape))[2:]


@pytest.mark.parametrize("seed", range(4))
def test_peaks_are_those_of_plain_loops(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for shape in ((7, 7), (3, 4), (1, 6), (5, 1), (1, 1)):
        smooth = generator.normal(size=shape)
        coarse = np.round(generator.normal(size=shape) * 1.5)  # many ties
        for values in (smooth, smooth - 4, coarse, np.minimum(coarse, 1), coarse.astype(np.float32)):
            assert place(values) == pytest.approx(peak_place(values))


def test_neighbours_draw_the_peak_towards_them() -> None:
    values = np.zeros((5, 5))
    values[2, 2] = 3
    assert place(values) == (2, 2)
    values[2, 3] = 1
    assert place(values) == (2, 2.25)
    values[1, 2] = -7  # what speaks against the pair has no weight
    assert place(values) == (2, 2.25)
    values[2, 0] = 2.9  # nor has what is not beside it
    assert place(values) == (2, 2.25)


def test_the_middle_of_a_plateau_is_its_peak() -> None:
    for length in (2, 3, 4):
        values = np.zeros((3, 6))
        values[1, 1 : 1 + length] = 2
        assert place(values) == pytest.approx((1, 1 + (length - 1) / 2))
    assert place(np.full((3, 4), 0.7)) == pytest.approx((1, 1.5))
    assert place(np.zeros((3, 4))) == pytest.approx((1, 1.5))
    assert place(np.full((3, 3), -1.0)) == pytest.approx((1, 1))


def test_of_plateaus_that_do_not_touch_the_better_surrounded_counts() -> None:
    values = np.zeros((6, 6))
    values[0, 0] = values[4, 4] = 2
    values[4, 5] = 1
    assert place(values) == pytest.approx((4, 4 + 1 / 3))
    assert place(values[::-1, ::-1]) == pytest.approx((1, 1 - 1 / 3))


def test_no_order_of_places_matters() -> None:
    """What the first place in reading order could not do."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        values = np.minimum(np.round(generator.normal(size=(5, 7)), 1), 0.9)
        row, column = place(values)
        if place(values[:, ::-1])[0] == pytest.approx(row):
            assert place(values[:, ::-1]) == pytest.approx((row, 6 - column))
        assert place(values.T) == pytest.approx(peak_place(values.T))


def test_peaks_are_drawn_at_the_true_centres() -> None:
    values = np.zeros((3, 4))
    values[1, 2], values[1, 1] = 3, 1
    aside = Centres(Axis(60, 3, 19.5, 20), Axis(80, 4, 19.5, 20))
    found = peak(values, aside)
    assert (found.row, found.column) == (1, 1.75)
    assert (found.y, found.x) == (39.5, 19.5 + 1.75 * 20)
    # The pixel's centre stands half a pixel on; the picture is half as large.
    assert peak_of(values, (0, 0, 40, 30), aside) == pytest.approx(((found.x + 0.5) / 2, (found.y + 0.5) / 2))


def test_pairs_know_where_their_maps_peak() -> None:
    places = np.zeros((3, 3, 2))
    places[1, 1], places[1, 2] = (2, 0), (1, 0)
    query = View(places, np.zeros(2), places.sum((0, 1)), (30, 30))
    other = View(np.ones((2, 2, 2)), np.zeros(2), np.full(2, 4.0), (20, 20))
    pair = Pair(query, other)
    found = pair.peak("query", pair.overall("query"))
    assert (found.row, found.column) == pytest.approx((1, 4 / 3))
    assert (found.y, found.x) == pytest.approx((14.5, 14.5 + 10 / 3))
    assert pair.peak("other", pair.point("query", 14.5, 14.5))[:2] == pytest.approx((9.5, 9.5))
