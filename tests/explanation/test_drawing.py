"""The ways to draw a map out to pixels."""

from __future__ import annotations

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.measuring.drawing import CENTRED, DRAWINGS, drawing_of

LOOKS = Centres(
    Axis(12, 3, 0.5, 4.0), Axis(12, 3, 0.5, 4.0)
)  # a pixel and a half above and left of the middle of even cells
MAP = np.array([[0.0, 0, 0], [0, 2, -6], [0, 0, 0]])


def test_places_stand_where_they_look_or_in_the_middle_of_their_cells() -> None:
    peaks = {}
    for name, drawing in DRAWINGS.items():
        pixels = drawing.positive(MAP, drawing.centres(LOOKS, (12, 12), (3, 3)))
        assert pixels.shape == (12, 12)
        assert pixels.min() == 0
        peaks[name] = np.unravel_index(pixels.argmax(), pixels.shape)
    assert peaks[CENTRED] == peaks["clipped"] == (4, 4)
    # The middle of the middle cell is 5.5: the pixels on both sides of it are equally strong, but for the negative place on the right.
    assert peaks["even"] in ((5, 5), (6, 5))
    assert peaks["even-clipped"] in ((5, 5), (5, 6), (6, 5), (6, 6))


def test_clipped_before_negative_places_do_not_eat_into_their_neighbours() -> None:
    after, before = (drawing_of(name).positive(MAP, LOOKS) for name in (CENTRED, "clipped"))
    assert (before >= after).all()
    assert before.sum() > 1.2 * after.sum()
    np.testing.assert_array_equal(drawing_of("clipped").positive(np.abs(MAP), LOOKS), LOOKS.upsample(np.abs(MAP)))


def test_without_known_centres_all_are_even() -> None:
    assert drawing_of(CENTRED).centres(None, (12, 12), (3, 3)) == Centres.even((12, 12), (3, 3))
    with pytest.raises(KinsightError, match="drawing 'odd' is not known"):
        drawing_of("odd")
