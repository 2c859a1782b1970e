"""Headings from planted tensors are exact and turn with the pictures; from random ones they are as good as chance."""

from __future__ import annotations

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.orientation.bearings import Aerial, Panorama
from kinsight.explanation.orientation.estimates import ESTIMATORS, VOTES, overall, point, votes
from kinsight.explanation.orientation.looks import Look, further_looks
from kinsight.explanation.orientation.votes import Voting, deciding_places, histogram
from kinsight.pictures.directions import difference, heading
from reference import orientation as plain

STREET, AERIAL = Panorama(Centres.even((64, 256), (4, 16))), Aerial(Centres.even((96, 96), (8, 8)))
SHAPE = (4, 16, 8, 8)
COLUMN = 360 / 16


def random_tensor(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def planted(*pairs: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    tensor = np.zeros(SHAPE)
    for here, there in pairs:
        tensor[here + there] = 1
    return tensor


def test_columns_and_places_look_where_directions_say() -> None:
    columns = STREET.bearings
    assert columns.angles == pytest.approx(360 * (np.arange(16) + 0.5) / 16)
    assert columns.spans == pytest.approx(np.full(16, COLUMN))
    assert columns.says.all()
    places = AERIAL.bearings
    assert places.angles[0, 0] == pytest.approx(315)
    assert places.angles[7, 7] == pytest.approx(135)
    assert 0 < places.angles[0, 4] < 15
    assert 345 < places.angles[0, 3] < 360
    assert 90 < places.angles[4, 7] < 105
    assert places.spans[3, 3] == pytest.approx(90)  # it touches the middle


def test_centres_aside_of_their_cells_are_followed() -> None:
    """As strides with padding have them: the first place looks at the first pixel."""
    street = Panorama(Centres(Axis(64, 4, 0, 16), Axis(256, 16, 0, 16)))
    assert street.bearings.angles[0] == pytest.approx(360 * 0.5 / 256)
    aerial = Aerial(Centres(Axis(96, 8, 0, 12), Axis(96, 8, 0, 12)))
    assert aerial.bearings.angles[0, 0] == pytest.approx(315)
    assert aerial.bearings.angles[7, 7] == pytest.approx(135)
    assert not aerial.bearings.says[4, 4]
    assert aerial.bearings.says.sum() == 63


@pytest.mark.parametrize("scale", [(1.0, 1.0), (2.0, 1.0)])
def test_spans_are_those_of_the_cells_borders(scale: tuple[float, float]) -> None:
    found = Aerial(AERIAL.centres, scale).bearings
    for row, column in np.ndindex(8, 8):
        x, y = np.array([column - 4, column - 3]) * 12 * scale[0], np.array([row - 4, row - 3]) * 12 * scale[1]
        assert found.spans[row, column] == pytest.approx(plain.span(x[0], y[0], x[1], y[1]), abs=1e-3)


def test_votes_are_those_of_plain_loops() -> None:
    street, aerial = Panorama(Centres.even((20, 60), (2, 6))), Aerial(Centres.even((50, 50), (5, 5)))
    columns, places = street.bearings, aerial.bearings
    assert not places.says[2, 2]
    seen = {at: (places.angles[at], places.spans[at]) for at in np.ndindex(5, 5) if places.says[at]}
    tensor = random_tensor(0, (2, 6, 5, 5))
    headings = np.array([0.0, 17.3, 90, 183.1, 359])
    for smoothing, *rules in ((6.0, False, False, True), (15.0, True, False, False), (6.0, True, True, True)):
        centred, scaled, positive = rules
        found = histogram(tensor, street, aerial, Voting(smoothing, *rules)).at(headings)
        values = plain.centred(tensor) if centred else tensor
        values = plain.scaled(values) if scaled else values
        cast = np.maximum(values, 0) if positive else values
        mean = sum(float(cast[(slice(None), slice(None), *at)].sum()) for at in seen)
        angles = columns.angles.tolist()
        slow = [plain.votes_for(each, values, angles, 60, seen, smoothing, positive) - mean for each in headings]
        assert found == pytest.approx(np.array(slow), abs=1e-6 * np.abs(values).sum())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_planted_pair_gives_the_exact_heading(name: str) -> None:
    columns, places = STREET.bearings.angles, AERIAL.bearings.angles
    for here, there in (((1, 3), (0, 6)), ((0, 0), (7, 1)), ((3, 15), (4, 0)), ((2, 8), (3, 5))):
        found = ESTIMATORS[name](planted((here, there)), STREET, AERIAL)
        true = heading(places[there], columns[here[1]])
        assert difference(found, true) == pytest.approx(
            0, abs=0.5 if name == VOTES else 1e-6
        )  # centring leaves a trace elsewhere
        alone = histogram(planted((here, there)), STREET, AERIAL, Voting(centred=False)).peak
        assert difference(alone, true) == pytest.approx(0, abs=1e-6)


def consistent(true: float, weight: float = 1.0, height: int = 4) -> np.ndarray:
    """Every column answers, at every height, the places that stand where it looks."""
    tensor = np.zeros((height, 64, 24, 24))
    street, aerial = fine(height)
    columns, places = street.bearings.angles, aerial.bearings
    aside = np.abs(difference(places.angles[None] - columns[:, None, None], true))
    tensor[:] = weight * (places.says * np.maximum(0, 1 - aside / 12))
    return tensor


def fine(height: int = 4) -> tuple[Panorama, Aerial]:
    return Panorama(Centres.even((64, 256), (height, 64))), Aerial(Centres.even((96, 96), (24, 24)))


def test_votes_agree_on_what_single_peaks_disagree_about() -> None:
    """Weak but consistent evidence everywhere, and one strong pair of places that are not the same thing."""
    street, aerial = fine()
    for true in (0.0, 33.3, 123.4, 271.8):
        tensor = consistent(true, 0.1)
        tensor[1, 10, 3, 5] = 9
        assert abs(difference(votes(tensor, street, aerial), true)) < 1
        assert abs(difference(point(tensor, street, aerial), true)) > 3.5


def test_point_maps_tell_the_matching_one_of_several_landmarks() -> None:
    """What overall maps cannot: their peaks are of different things."""
    columns, places = STREET.bearings.angles, AERIAL.bearings.angles
    tensor = planted(((1, 3), (1, 6)), ((2, 12), (6, 2)), ((2, 13), (6, 2)))
    tensor[1, 3, 1, 6] = 1.5  # the panorama's peak; the aerial picture's is the other landmark
    true = heading(places[1, 6], columns[3])
    assert difference(point(tensor, STREET, AERIAL), true) == pytest.approx(0, abs=1e-6)
    assert abs(difference(overall(tensor, STREET, AERIAL), true)) > 90


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("seed", range(3))
def test_rolling_the_panorama_and_turning_the_aerial_picture_turn_the_answer(name: str, seed: int) -> None:
    estimate = ESTIMATORS[name]
    tensor = random_tensor(seed)
    before = estimate(tensor, STREET, AERIAL)
    for columns in (1, 5, -3):
        rolled = estimate(np.roll(tensor, columns, axis=1), STREET, AERIAL)
        assert difference(rolled, before - columns * COLUMN) == pytest.approx(0, abs=1e-6)
    turned = estimate(np.rot90(tensor, -1, axes=(2, 3)), STREET, AERIAL)  # clockwise
    assert difference(turned, before + 90) == pytest.approx(0, abs=1e-6)


def test_random_tensors_are_right_as_often_as_chance() -> None:
    generator = np.random.default_rng(0)
    street, right, count = Panorama(Centres.even((64, 256), (1, 16))), 0, 300
    for _ in range(count):
        tensor, true = generator.normal(size=(1, 16, 8, 8)), generator.uniform(0, 360)
        right += sum(abs(difference(each(tensor, street, AERIAL), true)) <= 3.5 for each in (overall, votes))
    assert abs(right / (2 * count) - 7 / 360) < 4 * np.sqrt(7 / 360 / (2 * count))  # four standard deviations


def test_what_answers_everywhere_alike_says_nothing_unless_it_is_left_in() -> None:
    """One loud column and one loud place drown the evidence of all others, until the mean of each is taken off."""
    street, aerial = fine(1)
    tensor = consistent(200, 1.0, 1)
    tensor[:, 7] += 1000
    tensor[:, :, 2, 20] += 1000
    assert abs(difference(histogram(tensor, street, aerial, Voting(centred=False)).peak, 200)) > 3.5
    assert abs(difference(histogram(tensor, street, aerial).peak, 200)) < 1


def test_peaks_stand_higher_and_lead_further_where_evidence_is_clear() -> None:
    street, aerial = fine(1)
    noise = random_tensor(4, (1, 64, 24, 24))
    faint, clear = (histogram(noise + consistent(77, weight, 1), street, aerial) for weight in (0.0, 3.0))
    assert clear.height > faint.height
    assert clear.lead > 2 * faint.lead
    silent = histogram(np.zeros(SHAPE), STREET, AERIAL)
    assert silent.height == silent.lead == 0
    assert 0 <= silent.peak < 360


def test_the_places_that_decide_are_those_planted() -> None:
    tensor = 1e-3 * np.abs(random_tensor(1)) + planted(((1, 3), (0, 6)), ((1, 3), (4, 4)))
    found = histogram(tensor, STREET, AERIAL).peak
    assert deciding_places(tensor, STREET, AERIAL, found) == ((1, 3), (0, 6))


def test_looks_are_even_and_as_many_mirrored() -> None:
    assert further_looks(1, mirrored=False) == []
    assert further_looks(4, mirrored=False) == [Look(90), Look(180), Look(270)]
    assert further_looks(2, mirrored=True) == [Look(180), Look(0, True), Look(180, True)]


@pytest.mark.parametrize("turns", [0, -1, 361, 2.5, True, "12"])
def test_looks_that_are_no_number_are_refused(turns: object) -> None:
    with pytest.raises(KinsightError, match="from 1 to 360"):
        Voting(turns=turns)  # type: ignore[arg-type]


@pytest.mark.parametrize("look", [Look(), Look(50), Look(310, True), Look(0, True)])
def test_votes_of_another_look_are_told_as_of_the_pictures_themselves(look: Look) -> None:
    heading = 77.0
    there = look.turn - heading if look.mirrored else heading + look.turn
    seen = histogram(consistent(there, 3.0, 1), *fine(1))
    assert abs(difference(seen.peak, there)) < 2
    assert abs(difference(seen.before(look).peak, heading)) < 2
    both = seen.before(look) + histogram(consistent(heading, 3.0, 1), *fine(1))
    assert abs(difference(both.peak, heading)) < 2
