from __future__ import annotations

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation import Pair, View
from reference.matches import strongest_links
from show.made_pair import pair, planted, view


@pytest.mark.parametrize("seed", range(4))
def test_against_a_plain_search(seed: int) -> None:
    for made in (pair(seed), Pair(view((9, 8), (90, 80), seed=seed), view((7, 7), (70, 70), seed=seed + 9))):
        expected = strongest_links(made, 4)
        found = made.matches(4)
        assert expected
        assert [(match.query_place, match.other_place) for match in found] == expected
        assert [match.value for match in found] == [made.tensor[(*here, *there)] for here, there in expected]


def test_two_parts_that_swap_sides_are_two_matches() -> None:
    query, other = np.zeros((7, 7, 4), np.float32), np.zeros((7, 7, 4), np.float32)
    query[1, 1, 0] = other[5, 4, 0] = 1
    query[4, 5, 1] = other[1, 2, 1] = 0.8
    query[4, 0, 2] = other[3, 6, 2] = 0.3  # 0.09 of the strongest: too faint
    sides = [View(places, np.zeros(4, np.float32), places.sum((0, 1)), (70, 70)) for places in (query, other)]
    made = Pair(*sides)
    first, second = made.matches()
    assert (first.query_place, first.other_place) == ((1, 1), (5, 4))
    assert (second.query_place, second.other_place) == ((4, 5), (1, 2))
    assert (first.query, first.other) == (pytest.approx((14.5, 14.5)), pytest.approx((54.5, 44.5)))
    assert second.value == pytest.approx(
        0.64 / made.similarity * sum(made.terms) / np.linalg.norm(query.sum((0, 1))) ** 2
    )
    assert len(made.matches(1)) == 1


def test_a_match_lies_between_places_that_share_it() -> None:
    places = np.zeros((7, 7, 2), np.float32)
    places[3, 3, 0], places[3, 4, 0] = 1.0, 0.9
    one = View(places, np.zeros(2, np.float32), places.sum((0, 1)), (70, 70))
    ((y, x), other, *_) = Pair(one, one).matches()[0]
    assert y == pytest.approx(34.5)
    assert 34.5 + 4 < x < 34.5 + 5
    assert other == (y, x)


def test_only_what_speaks_for_the_similarity_matches() -> None:
    assert [(match.query_place, match.other_place, match.value) for match in planted().matches()] == [
        ((1, 4), (3, 0), pytest.approx(1.0))
    ]
    assert planted(-1.0).matches() == []


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_that_is_none_is_refused(count: object) -> None:
    with pytest.raises(KinsightError, match="not a number of matches"):
        pair().matches(count)  # type: ignore[arg-type]
