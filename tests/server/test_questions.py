"""Hostile and clumsy questions: one sentence each."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation import View
from kinsight.explanation.regions import place_weights
from kinsight.server.questions import Shape, Stroke, judgement_of, number_of, question_of, regions_on

GOOD: dict[str, Any] = {"picture": 3}


def body(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def view(upright: tuple[int, int] | None = (80, 120)) -> View:
    """A map of 4 x 5 places of the middle 80 x 100 pixels of a picture of 80 x 120."""
    places = np.ones((4, 5, 3), np.float32)
    return View(
        places, np.zeros(3, np.float32), places.sum((0, 1)), (32, 40), window=(10.0, 0.0, 110.0, 80.0), upright=upright
    )


def test_a_question_is_read() -> None:
    assert question_of(body(where=" ")).where is None
    assert question_of(body(picture=3.0, top=4.0)) == question_of(body(picture=3, top=4))
    found = question_of(body(top=5, where="a = 1", regions=[{"box": [0, 1, 2, 3.5], "weight": 2}], answers=False))
    assert (found.picture, found.top, found.where, found.answers) == (3, 5, "a = 1", False)
    assert found.regions == [Shape(box=[0, 1, 2, 3.5], weight=2.0)]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"picture": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"query": "\\ud800"}', "no JSON"),
        (b"{}", "one of query"),
        (body(query="x"), "one of query"),
        (body(picture=-1), "picture is -1"),
        (body(picture=2**63), "number of a picture"),
        (body(picture=True), "not a whole number"),
        (body(picture="3"), "not a whole number"),
        (body(top=0), "top is 0"),
        (body(top=101), "top is 101"),
        (body(top=10**400), "top is a number of many digits"),
        (body(where="x" * 2001), "2,001 characters"),
        (body(where=3), "not a text"),
        (body(answers=1), "not true or false"),
        (body(by="rows"), "by is .rows.; write picture or places"),
        (body(regions={}), "not a list"),
        (body(regions=[[1, 2, 3, 4]]), "not an object"),
        (body(regions=[{}]), "one of box, stroke and place"),
        (body(regions=[{"box": [0, 0, 1, 1], "place": [1, 1]}]), "one of box, stroke and place"),
        (body(regions=[{"box": [0, 0, 1]}]), "a box has 4 numbers"),
        (body(regions=[{"box": [0, 0, 1, 1e9]}]), "none beyond"),
        (b'{"picture": 1, "regions": [{"box": [0, 0, 1, NaN]}]}', "a box has 4 numbers"),
        (b'{"picture": 1, "regions": [{"box": [0, 0, 1, 1e999]}]}', "a box has 4 numbers"),
        (body(regions=[{"box": [0, 0, 1, 10**400]}]), "not a number"),
        (body(regions=[{"place": [1, 1], "weight": 0}]), "weight of a region is 0"),
        (body(without=[{"place": [1, 1], "weight": -1}]), "weight of a region is -1"),
        (body(regions=[{"stroke": {"points": [], "width": 3}}]), "needs a point"),
        (body(regions=[{"stroke": {"points": [[1, 1]], "width": 0}}]), "needs a point"),
        (body(regions=[{"stroke": {"points": [[1]], "width": 1}}]), "point of a stroke has 2"),
        (body(regions=[{"stroke": {"points": [[1, 1]] * 4001, "width": 1}}]), "4,000 points"),
        (body(regions=[{"place": [1, 1]}] * 20, without=[{"place": [1, 1]}] * 13), "33 regions"),
    ],
)
def test_what_is_no_question_is_refused_in_a_sentence(sent: bytes, said: str) -> None:
    with pytest.raises(KinsightError, match=said) as refused:
        question_of(sent)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"picture": 1, "of": 2}, "does not say whether"),
        ({"picture": 1, "same": True}, "one of query"),
        ({"picture": 1, "same": 1, "of": 2}, "not true or false"),
        ({"picture": -1, "same": True, "of": 2}, "picture is -1"),
        ({"same": True, "of": 2}, "no picture"),
    ],
)
def test_what_is_no_judgement_is_refused_in_a_sentence(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(KinsightError, match=said):
        judgement_of(json.dumps(sent).encode())


@pytest.mark.parametrize("text", ["", "-1", "1.5", "../x", "²", "9" * 20, "99999999999999999999"])
def test_a_number_is_digits_alone(text: str) -> None:
    with pytest.raises(KinsightError):
        number_of(text, "picture")


def test_a_place_is_the_cell_of_the_map_that_lies_there() -> None:
    (found,), _ = regions_on(view(), [Shape(place=[10 + 2.5 * 20, 1.5 * 20])], [])
    expected = np.zeros((4, 5))
    expected[1, 2] = 1
    np.testing.assert_allclose(place_weights(view(), [found]), expected, atol=1e-12)
    (corner,), _ = regions_on(view(), [Shape(place=[110, 80])], [])
    assert place_weights(view(), [corner])[3, 4] == pytest.approx(1)
    with pytest.raises(KinsightError, match="outside of what the network sees"):
        regions_on(view(), [Shape(place=[5, 40])], [])


def test_a_stroke_covers_what_it_was_painted_over() -> None:
    (line,), _ = regions_on(view(), [Shape(stroke=Stroke([[20, 30], [100, 30]], 20))], [])
    weights = place_weights(view(), [line])
    assert weights[1].min() > 0.8
    assert np.delete(weights, 1, 0).max() < 0.1
    (dot,), _ = regions_on(view(), [Shape(stroke=Stroke([[60, 30]], 20))], [])
    assert place_weights(view(), [dot]).sum() == pytest.approx(np.pi / 4, abs=0.08)
    with pytest.raises(KinsightError, match="outside of the picture"):
        regions_on(view(), [Shape(stroke=Stroke([[-500, -500]], 2))], [])
    with pytest.raises(KinsightError, match="draw a box"):
        regions_on(view(None), [Shape(stroke=Stroke([[60, 30]], 2))], [])
