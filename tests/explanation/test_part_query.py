"""Region queries: exactness, regions as weights of places, and the box that answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.explanation import Pair, View
from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.explainer import Explainer
from kinsight.explanation.part_query import answering_box, answers, part_vector
from kinsight.explanation.regions import Region, place_weights
from kinsight.models.heads import make_head
from kinsight.models.subspaces import SubspacesHead
from kinsight.pictures import Preprocessing
from made_pairs import CHANNELS, GRID, HEADS, SIZE, cosine, head_of, maps, views, without_bias

# Parts of a picture of 24 x 32 pixels that lie askew to its 3 x 4 cells.
PARTITION = [Region((0, 0, 13.3, 24)), Region((13.3, 0, 32, 9.7)), Region((13.3, 9.7, 32, 24))]
PACKAGE = {
    "groups": {"name": "attentive", "dim": 12, "groups": 3, "reduction": 2},
    "gates": {"name": "gate", "dim": 12, "groups": 3, "reduction": 2},
    "relations": {"name": "relational", "branches": 2, "dim": 12, "pooling": "max"},
    "local projections": {"name": "coordinated", "dim": 8},
    "subspaces": {"name": "linear", "dim": 8},
}


def package_views(name: str) -> list[View]:
    torch.manual_seed(3)
    head = make_head(PACKAGE[name], CHANNELS, GRID)
    if name == "subspaces":
        head = SubspacesHead(head, subspaces=2)
        head.masks[1] = torch.rand(8)
    return views(head.double().eval(), maps(3))


@pytest.mark.parametrize("name", [*HEADS, *PACKAGE])
def test_regions_that_make_up_a_picture_add_up_to_its_embedding_and_answers_to_the_score(name: str) -> None:
    query, other, third = views(head_of(name), maps(3)) if name in HEADS else package_views(name)
    parts = sum(part_vector(query, [region]) for region in PARTITION)
    assert np.allclose(parts, query.whole, rtol=0, atol=1e-12)
    everything = part_vector(query, [Region((0, 0, 32, 24))])
    for hit in (other, third):
        assert cosine(everything, hit.whole) == pytest.approx(Pair(query, hit).similarity, abs=1e-12)
        part = part_vector(query, PARTITION[:1])
        assert answers(part, hit).sum() == pytest.approx(cosine(part, hit.whole), abs=1e-12)


@pytest.mark.parametrize("name", ["average", "maximum", "flatten"])
def test_property_14_all_places_without_bias_rank_as_the_whole_picture(name: str) -> None:
    query, *others = views(without_bias(head_of(name)), maps(5))
    vector = part_vector(query, [Region((0, 0, 32, 24))], bias="none")
    scores = [cosine(vector, other.whole) for other in others]
    assert scores == pytest.approx([Pair(query, other).similarity for other in others], abs=1e-12)


def test_the_papers_query_leaves_the_bias_out() -> None:
    query, other = views(head_of("average"), maps(2))
    assert np.linalg.norm(query.bias) > 0.01
    weights = np.zeros(GRID)
    weights[0, 0] = 1
    vector = part_vector(query, [Region((0, 0, 8, 8))], bias="none")
    assert np.allclose(vector, query.places[0, 0])
    pair = Pair(query, other)
    scale = np.linalg.norm(query.whole) / np.linalg.norm(vector)
    assert np.allclose(answers(vector, other, bias="none"), pair.region("query", weights) * scale, atol=1e-12)


def test_a_place_counts_by_the_share_that_is_covered() -> None:
    (view,) = views(head_of("average"), maps(1))
    assert np.array_equal(place_weights(view, [Region((8, 8, 16, 16))]), _one(1, 1))
    assert np.allclose(place_weights(view, [Region((4, 8, 12, 12))]), (_one(1, 0) + _one(1, 1)) / 4)
    both = [Region((0, 0, 8, 8), 2.0), Region((24, 16, 32, 24), 0.5)]
    assert np.allclose(place_weights(view, both), 2 * _one(0, 0) + 0.5 * _one(2, 3))
    assert np.allclose(
        place_weights(view, [Region((0, 0, 32, 8), -0.5)]), 1 - 0.5 * (np.arange(3)[:, None] == 0) * np.ones(GRID)
    )


def _one(row: int, column: int) -> np.ndarray:
    weights = np.zeros(GRID)
    weights[row, column] = 1
    return weights


@pytest.mark.parametrize("window", [(0.0, 0.0, 320.0, 240.0), (40.0, 24.0, 200.0, 224.0)])
def test_boxes_and_masks_in_pixels_of_the_picture_say_the_same(window: tuple[float, float, float, float]) -> None:
    view = replace(views(head_of("average"), maps(1))[0], window=window, upright=(240, 320))
    mask = np.zeros((240, 320), bool)
    mask[31:150, 57:191] = True
    weights = place_weights(view, [Region((57, 31, 191, 150))])
    assert np.allclose(place_weights(view, [Region(mask)]), weights, atol=1e-12)
    left, top, right, bottom = window
    seen = (min(right, 191) - max(left, 57)) * (min(bottom, 150) - max(top, 31))
    assert weights.mean() == pytest.approx(seen / ((right - left) * (bottom - top)))
    assert np.allclose(place_weights(view, [Region(np.ones((24, 32)))]), 1), "a coarser mask of the whole picture"


def test_places_that_look_beyond_the_border_belong_to_a_part_too() -> None:
    centres = Centres(Axis(24, 5, -9.0, 8.0), Axis(32, 4, 3.5, 8.0))
    view = View(np.ones((5, 4, 1)), np.zeros(1), np.full(1, 20.0), SIZE, centres=centres)
    assert np.allclose(sum(place_weights(view, [region]) for region in PARTITION), 1)


def test_the_box_of_an_answer_lies_round_what_was_planted() -> None:
    places = np.zeros((7, 7, 2))
    places[..., 1] = 0.01
    places[2, 4] = [3, 0]
    places[6, 0] = [1, 0]
    view = View(places, np.zeros(2), places.sum((0, 1)), (70, 70), window=(10.0, 20.0, 150.0, 300.0))
    found = answers(np.array([1.0, 0.0]), view)
    box = answering_box(found, view)
    assert box is not None
    left, top, right, bottom = box
    # The planted cell is 40..50 x 20..30 of the input; at half the height of its peak the map is as wide as a cell.
    assert (left, right) == pytest.approx((10 + 40 * 2, 10 + 50 * 2), abs=2)
    assert (top, bottom) == pytest.approx((20 + 20 * 4, 20 + 30 * 4), abs=4)
    assert answering_box(-found, view) is None
    assert answering_box(found + 5, view) != box, "what all places share is no answer"
    assert answering_box(found + 5, view, floor=5) == box


def test_what_the_network_does_not_see_is_said() -> None:
    squared = Preprocessing(size=32, resize=32)
    torch.manual_seed(0)
    trunk = torch.nn.Conv2d(3, 4, 8, 8)
    explainer = Explainer((trunk, lambda values: values.mean((2, 3))), preprocessing=squared)
    (view,) = explainer.views([np.zeros((32, 64, 3), np.uint8)])
    assert view.upright == (32, 64)
    assert view.window == (16, 0, 48, 32)
    with pytest.raises(KinsightError, match="nothing of what the network sees of the picture, which is 16,0,48,32"):
        place_weights(view, [Region((0, 0, 16, 32))])
    with pytest.raises(KinsightError, match=r"mask of 32 x 32 .* does not fit the picture of 32 x 64"):
        place_weights(view, [Region(np.ones((32, 32)))])


@pytest.mark.parametrize(
    ("where", "weight", "sentence"),
    [
        ((3, 3, 3, 5), 1, "is empty; write left,top,right,bottom"),
        ((0, 0, float("nan"), 5), 1, "is empty"),
        ((1, 2, 3), 1, "is no region"),
        ("0,0,1,1", 1, "is no region"),
        ((0, 0, 1, 1), 0, "weight 0 of a region"),
        (np.zeros((4, 4)), 1, "the mask is empty"),
        (np.full((4, 4), 255), 1, "from 0 .* to 1"),
    ],
)
def test_what_is_no_region_is_refused(where: object, weight: float, sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        Region(where, weight)  # type: ignore[arg-type]


def test_regions_that_leave_nothing_are_refused() -> None:
    (view,) = views(head_of("average"), maps(1))
    with pytest.raises(KinsightError, match="cancel each other out"):
        place_weights(view, [Region((0, 0, 8, 8)), Region((0, 0, 8, 8), -1.0)])
    with pytest.raises(KinsightError, match="contribute nothing"):
        part_vector(View(np.zeros((1, 2, 1)), np.ones(1), np.ones(1), (2, 4)), [Region((0, 0, 1, 1))], bias="none")
    with pytest.raises(KinsightError, match="4 dimensions and the picture's embedding 8"):
        answers(np.ones(4), view)
