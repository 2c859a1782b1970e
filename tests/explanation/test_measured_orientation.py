"""Headings read off pictures through networks: the conventions hold from pixel to answer, and what is reported is what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coloured_places import HEIGHT, SIDE, WIDTH, Mean, MeanColours, place, streams
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, View
from kinsight.explanation.explainer import Picture
from kinsight.explanation.measuring.orientation import COLOURS, Readings, Streams, looked_at, lying, readings
from kinsight.explanation.measuring.orientation_result import CHANCE, held
from kinsight.explanation.orientation.confidence import Calibration, calibrated
from kinsight.explanation.orientation.estimates import ESTIMATORS, OVERALL, POINT, VOTES
from kinsight.explanation.orientation.reading import read
from kinsight.explanation.orientation.votes import ONCE, Voting
from kinsight.models import ModelSettings, build_model
from kinsight.pictures.directions import difference, rolled, turned

TRUE = np.array([0.0, 25.5, 140.2, 231.0, 359.0])


@pytest.fixture(scope="module")
def places() -> list[tuple[Image.Image, Image.Image]]:
    return [place(seed, heading) for seed, heading in enumerate(TRUE)]


@pytest.fixture(scope="module")
def read_places(places: list[tuple[Image.Image, Image.Image]]) -> Readings:
    return readings(streams(), [one for one, _ in places], [other for _, other in places], batch_size=2, voting=ONCE)


def test_votes_find_where_the_camera_looked(read_places: Readings) -> None:
    assert list(read_places.found) == [*ESTIMATORS, COLOURS]
    assert np.abs(difference(read_places.found[VOTES], TRUE)).max() < 2
    assert np.abs(difference(read_places.found[COLOURS], TRUE)).max() < 2
    assert len(np.unique(np.round(read_places.turns))) == len(
        TRUE
    )  # every aerial picture was turned by an angle of its own
    assert read_places.completeness < 1e-5
    assert read_places.affinity < 1e-5
    assert read_places.column == pytest.approx(360 * 8 / WIDTH)


def test_the_places_that_decide_lie_on_one_ray(read_places: Readings) -> None:
    across, down = (read_places.aerial - SIDE / 2).T
    ray = np.degrees(np.arctan2(across, -down)) - read_places.turns  # clockwise from up, of the picture as it lies
    seen = read_places.street[:, 0] * 360 / WIDTH
    assert np.abs(difference(ray - seen, TRUE)).max() < 12


def test_answers_are_the_same_for_any_batches_and_other_for_another_seed(
    places: list[tuple[Image.Image, Image.Image]], read_places: Readings
) -> None:
    street, aerial = zip(*places, strict=True)
    again = readings(streams(), street, aerial, batch_size=16, colours=False, voting=ONCE)
    np.testing.assert_array_equal(again.turns, read_places.turns)
    np.testing.assert_allclose(again.found[VOTES], read_places.found[VOTES], atol=1e-3)
    assert COLOURS not in again.found
    other = readings(streams(), street[:1], aerial[:1], seed=7, colours=False, voting=ONCE)
    assert other.turns[0] != again.turns[0]


@pytest.mark.parametrize("way", [POINT, OVERALL, VOTES])
def test_rolled_panoramas_and_turned_aerial_pictures_turn_the_answer(way: str) -> None:
    """By whole cells and by quarters the answer turns exactly; by any angle to a degree where the answer is of the whole picture."""
    street, aerial = place(3, 77)
    network = streams()

    def answer(panorama: Image.Image, above: Image.Image) -> float:
        return read(network.street.pair(panorama, above, by=network.aerial)).headings[way]

    before = answer(street, aerial)
    for columns in (8, 64, -120):  # whole cells of 8 pixels
        moved = Image.fromarray(rolled(np.asarray(street), columns))
        assert difference(answer(moved, aerial), before - 360 * columns / WIDTH) == pytest.approx(0, abs=1e-4)
    for quarter in (90, 180, 270):
        assert difference(answer(street, turned(aerial, quarter)), before + quarter) == pytest.approx(0, abs=1e-3)
    if way == VOTES:
        for degrees in (13.0, 201.5):
            assert abs(difference(answer(street, lying(aerial, degrees, cut=True)), before + degrees)) < 1
        for columns in (3, -21):  # to a fraction of a cell
            moved = Image.fromarray(rolled(np.asarray(street), columns))
            assert abs(difference(answer(moved, aerial), before - 360 * columns / WIDTH)) < 1


@pytest.mark.parametrize("shared", [False, True])
def test_two_streams_of_real_networks_are_read_exactly(shared: bool) -> None:
    sizes = {"street": {"size": [32, 128], "resize": None}, "aerial": {"size": 64, "resize": 92}}
    model = build_model(ModelSettings(trunk="test_resnet", head={"dim": 8}, streams=sizes, shared_head=shared)).eval()
    street, aerial = (Explainer(model.stream(name)) for name in model.names)
    seen = [place(seed, 30) for seed in range(2)]
    found = readings(
        Streams(street, aerial), [one for one, _ in seen], [other for _, other in seen], colours=False, voting=ONCE
    )
    assert found.completeness < 1e-5
    assert found.affinity < 1e-5
    assert ((found.aerial >= 0) & (found.aerial <= SIDE)).all()
    assert ((found.street >= 0) & (found.street <= [WIDTH, HEIGHT])).all()


def test_a_panorama_that_is_cut_is_refused() -> None:
    settings = ModelSettings(trunk="test_resnet", head={"dim": 8}, size=32, resize=32)
    whole = Explainer(build_model(settings).eval())
    with pytest.raises(KinsightError, match="not all around"):
        readings(Streams(whole, whole), [place(0, 0)[0]], [place(0, 0)[1]])
    with pytest.raises(KinsightError, match="no pairs"):
        readings(Streams(whole, whole), [place(0, 0)[0]], [])


def test_cut_pictures_do_not_tell_how_they_were_turned() -> None:
    white = Image.new("RGB", (40, 40), "white")
    shown = [np.asarray(lying(white, degrees, cut=True)) for degrees in (0, 30, 77)]
    assert (shown[0][0, 0] == (124, 116, 104)).all()
    inside = np.hypot(*np.meshgrid(np.arange(40) - 19.5, np.arange(40) - 19.5)) < 18
    for each in shown:
        assert (each[inside] == 255).all()


def made(errors: np.ndarray, height: np.ndarray) -> Readings:
    """Readings of pairs whose true heading is 10."""
    count = len(errors)
    found = {VOTES: (10 + errors) % 360, POINT: np.full(count, 12.0), OVERALL: np.full(count, 100.0)}
    points = np.ones((count, 2))
    return Readings(found, height, height / 2, points, points, np.zeros(count), np.ones(count), 11.25, 0.0, 0.0)


def planted(count: int, seed: int) -> tuple[Readings, np.ndarray]:
    """The higher a peak, the more often it is right."""
    random = np.random.default_rng(seed)
    height = random.uniform(0, 4, count)
    right = random.random(count) < 1 / (1 + np.exp(-2 * (height - 2)))
    errors = np.where(right, random.uniform(-3, 3, count), random.uniform(10, 350, count))
    return made(errors, height), np.full(count, 10.0)


def test_figures_are_those_of_the_errors() -> None:
    errors = np.array([0.0, 3.4, -3.4, 3.6, -90, 180, 1, 2])
    found = held(made(errors, np.arange(8.0)), np.full(8, 10.0))
    assert found.rate(VOTES).value == 5 / 8
    assert found.median(VOTES).value == pytest.approx(np.median(np.abs(errors)))
    assert found.difference(VOTES, POINT).value == pytest.approx(5 / 8 - 1)
    assert found.rate(CHANCE).value == pytest.approx(7 / 360)
    assert found.errors(VOTES) == pytest.approx(errors)
    middles, shares = found.histogram(VOTES)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == 5 / 8  # within 3.5 about 0
    assert middles[1] - middles[0] == pytest.approx(7, abs=0.1)
    assert found.calibration is None  # too few
    assert found.confident.tolist() == [False] * 4 + [True] * 4
    plain = found.to_dict()
    assert plain["pairs"] == 8
    assert [row["way"] for row in plain["rows"]] == [VOTES, POINT, OVERALL, CHANCE]
    assert len(found.pairs()) == 8


def test_confidence_is_what_it_says() -> None:
    known, other = planted(2000, 0), planted(2000, 1)
    found = held(other[0], other[1], known=known)
    assert found.calibration is not None
    assert found.calibration.pairs == 2000
    for said, right, count in found.reliability():
        assert abs(said - right) < 4 * np.sqrt(0.25 / count)
    first, second = found.halves
    assert first.value > 2 * second.value
    assert Calibration.from_dict(found.calibration.to_dict()) == found.calibration


def test_without_other_pairs_each_half_is_calibrated_on_the_other() -> None:
    readings, true = planted(400, 2)
    found = held(readings, true)
    assert found.calibration is not None
    assert "each half" in found.calibration.source
    swapped = readings.found[VOTES].copy()
    swapped[::2] = 190  # wrong throughout: what the other half is told of itself stays
    again = held(made(np.asarray(difference(swapped, 10)), readings.height), true)
    assert again.probability[::2] == pytest.approx(found.probability[::2])
    assert (again.probability[1::2] < 0.1).all()


def test_what_cannot_be_told_apart_gets_one_probability() -> None:
    found = calibrated(np.arange(30.0), np.arange(30.0), np.zeros(30), within=3.5, source="made")
    assert found is not None
    assert found.probability(np.array([0.0, 50]), np.zeros(2)) == pytest.approx([31 / 32, 31 / 32])
    with pytest.raises(KinsightError, match="lacks"):
        Calibration.from_dict({"within": 3.5})


def test_without_headings_nothing_is_claimed() -> None:
    found = held(made(np.zeros(4), np.ones(4)), None)
    with pytest.raises(KinsightError, match="heading"):
        found.errors(VOTES)
    assert "rows" not in found.to_dict()
    assert "heading" not in found.pairs()[0]


class LookingAside(Explainer):
    """Sees of a panorama what stands some pixels right of where its places stand."""

    def views(self, pictures: Sequence[Picture], **options: Any) -> list[View]:
        return super().views([rolled(np.asarray(each), -6) for each in pictures], **options)


def test_mirrored_looks_undo_that_a_network_looks_aside(places: list[tuple[Image.Image, Image.Image]]) -> None:
    straight = streams()
    street = LookingAside((MeanColours(), Mean()), preprocessing=straight.street.preprocessing)
    aside = Streams(street, straight.aerial)

    def off(voting: Voting) -> np.ndarray:
        read_again = [looked_at(aside, *place, voting=voting)[1].headings[VOTES] for place in places[:2]]
        return np.asarray(difference(np.array(read_again), TRUE[:2]))

    assert off(Voting(turns=3, mirrored=False)) == pytest.approx(
        6 * 360 / WIDTH, abs=2
    )  # to one side, however often it is turned
    assert np.abs(off(Voting(turns=2))).max() < 2
