"""Pairs of views: the tensor, maps of points and regions, signs, and two streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Pair, View
from kinsight.explanation.centres import Centres
from kinsight.models import LinearHead
from made_pairs import CHANNELS, GRID, HEADS, SIZE, cosine, head_of, maps, pair_of, views
from reference.contributions import matrices, point_to_point, split


def two_streams() -> tuple[Explainer, Explainer, nn.Module]:
    """Street and aerial pictures: trunks and maps of their own, one head."""
    torch.manual_seed(0)
    head = LinearHead(CHANNELS, (2, 2), dim=7)
    street = nn.Sequential(nn.Conv2d(3, CHANNELS, 4, stride=4), nn.ReLU())
    aerial = nn.Sequential(nn.Conv2d(3, 9, 3, stride=3), nn.LeakyReLU(), nn.Conv2d(9, CHANNELS, 2))
    return Explainer((street, head)), Explainer((aerial, head)), head


def street_and_aerial() -> Pair:
    generator = torch.Generator().manual_seed(3)
    street, aerial, _ = two_streams()
    return street.pair(
        torch.randn(3, 8, 20, generator=generator), torch.randn(3, 15, 15, generator=generator), by=aerial
    )


@pytest.mark.parametrize("name", HEADS)
def test_the_tensor_equals_products_of_explicit_matrices(name: str) -> None:
    head, feature_map = head_of(name), maps()
    pair = pair_of(head, feature_map)
    (Wq, Bq), (Wr, Br) = (matrices(head, one) for one in feature_map.numpy())
    query, other = split(Wq, feature_map[0].numpy()), split(Wr, feature_map[1].numpy())
    whole = [query.sum((0, 1)) + Bq, other.sum((0, 1)) + Br]
    norms = np.linalg.norm(whole[0]) * np.linalg.norm(whole[1])
    assert np.allclose(pair.tensor, point_to_point(query, other, norms), rtol=0, atol=1e-12)
    wanted = (query @ other.sum((0, 1)), query @ whole[1], other @ query.sum((0, 1)), other @ whole[0])
    found = [pair.overall(side, bias=bias) for side in ("query", "other") for bias in (False, True)]
    for one, two in zip(found, wanted, strict=True):
        assert np.allclose(one, two / norms, rtol=0, atol=1e-12)
    terms = (query.sum((0, 1)) @ other.sum((0, 1)), query.sum((0, 1)) @ Br, other.sum((0, 1)) @ Bq, Bq @ Br)
    assert np.allclose(pair.terms, np.array(terms) / norms, rtol=0, atol=1e-12)


def test_two_streams_with_maps_of_different_sizes() -> None:
    pair = street_and_aerial()
    assert pair.tensor.shape == (2, 5, 4, 4)
    assert (pair.query.size, pair.other.size) == ((8, 20), (15, 15))
    assert pair.completeness_error < 1e-5
    assert pair.affinity_error < 1e-4
    assert pair.similarity == pytest.approx(cosine(pair.query.whole, pair.other.whole), abs=1e-6)
    assert pair.overall("query").shape == (2, 5)
    assert pair.overall("other").shape == (4, 4)
    assert pair.point("query", 3, 17).shape == (4, 4)
    assert pair.region("other", np.ones((15, 15))).shape == (2, 5)
    assert pair.pixels("query", pair.overall("query")).shape == (8, 20)
    assert pair.pixels("other", pair.overall("other")).shape == (15, 15)
    street, aerial, head = two_streams()
    street_trunk, _ = (each.opening.modules[0] for each in (street, aerial))
    with torch.no_grad():
        given = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(3))
        assert np.allclose(head(street_trunk(given[None])).whole[0].numpy(), pair.query.whole, atol=1e-6)


def test_points_between_places_are_mixed_bilinearly() -> None:
    """As the authors' demo does it: the tensor padded by its edge, at (row + 0.5) / H * h + 0.5."""
    pair = pair_of(head_of("flatten"), maps())
    padded = np.pad(pair.tensor, ((1, 1), (1, 1), (0, 0), (0, 0)), mode="edge")
    for y, x in ((0, 0), (23, 31), (11.3, 7.9), (4, 30.5), (-0.5, 31.5)):
        u, v = (y + 0.5) / SIZE[0] * GRID[0] + 0.5, (x + 0.5) / SIZE[1] * GRID[1] + 0.5
        i, j = min(int(u), GRID[0]), min(int(v), GRID[1])
        a, b = u - i, v - j
        wanted = (1 - a) * ((1 - b) * padded[i, j] + b * padded[i, j + 1])
        wanted = wanted + a * ((1 - b) * padded[i + 1, j] + b * padded[i + 1, j + 1])
        assert np.allclose(pair.point("query", y, x), wanted, rtol=0, atol=1e-14)
        weights = Centres.even(SIZE, GRID).weights(y, x)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)


def test_points_follow_the_drawn_out_map() -> None:
    """What a point says to one place is the map of that place, drawn out to pixels, at that point."""
    pair = street_and_aerial()
    drawn = pair.pixels("query", pair.tensor[:, :, 1, 2])
    assert drawn[5, 13] == pytest.approx(pair.point("query", 5, 13)[1, 2], abs=1e-12)


def test_drawing_out_is_bilinear_with_half_pixel_centres() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4))
    even = Centres.even((9, 10), (3, 4))
    found = even.upsample(values)
    for y in range(9):
        for x in range(10):
            wanted = (even.weights(y, x) * values).sum((1, 2))
            assert np.allclose(found[:, y, x], wanted)
    assert Centres.even((4, 5), (1, 1)).upsample(np.full((1, 1), 2.5)).tolist() == np.full((4, 5), 2.5).tolist()


def test_a_region_is_the_sum_of_its_places() -> None:
    pair = pair_of(head_of("maximum"), maps())
    mask = np.zeros(GRID, bool)
    mask[0, 1] = mask[2, 2] = True
    wanted = pair.tensor[0, 1] + pair.tensor[2, 2]
    assert np.allclose(pair.region("query", mask), wanted)
    assert np.allclose(pair.region("query", np.where(mask, 0.5, 0)), wanted / 2)
    pixels = np.kron(mask, np.ones((8, 8))).astype(np.uint8)
    assert np.allclose(pair.region("query", pixels), wanted)
    assert np.allclose(pair.region("other", np.ones(SIZE, bool)), pair.overall("query"))
    assert not pair.region("query", np.zeros(SIZE)).any()


def test_masks_count_also_where_pixels_do_not_divide_evenly() -> None:
    view = View(np.zeros((2, 3, 1)), np.zeros(1), np.ones(1), (3, 7))
    mask = np.random.default_rng(1).random((3, 7))
    fine = np.kron(mask, np.ones((2, 3)))  # 6 x 21: every pixel of it lies in one place
    wanted = fine.reshape(2, 3, 3, 7).mean((1, 3))
    assert np.allclose(view.share_of(mask), wanted)


def test_positive_and_negative_parts_make_up_the_map() -> None:
    pair = pair_of(head_of("flatten"), maps())
    made = {
        "overall": lambda sign: pair.overall("other", bias=True, sign=sign),
        "clipped": lambda sign: pair.overall("query", bias=True, clipped=True, sign=sign),
        "point": lambda sign: pair.point("query", 3, 30, sign=sign),
        "region": lambda sign: pair.region("other", np.eye(*GRID), sign=sign),
    }
    for make in made.values():
        both, positive, negative = (make(sign) for sign in ("both", "positive", "negative"))
        assert positive.min() >= 0 >= negative.max()
        assert np.array_equal(positive + negative, both)
    assert made["overall"]("negative").min() < 0 < made["overall"]("positive").max()


def test_the_authors_map_clips_before_it_sums() -> None:
    pair = pair_of(head_of("flatten"), maps())
    clipped = np.where(pair.tensor > 0, pair.tensor, 0)
    assert np.allclose(pair.overall("query", clipped=True), clipped.sum((2, 3)))
    assert np.allclose(pair.overall("other", clipped=True), clipped.sum((0, 1)))
    assert np.corrcoef(clipped.sum((2, 3)).ravel(), pair.overall("query").ravel())[0, 1] < 0.99
    biased = pair.overall("query", clipped=True, bias=True) - pair.overall("query", clipped=True)
    assert np.allclose(biased, pair.overall("query", bias=True) - pair.overall("query"))
    # Where all products are positive it is the plain sum.
    positive = pair_of(head_of("average", dim=None), maps().abs())
    assert np.allclose(positive.overall("query", clipped=True), positive.overall("query"))


def test_a_pair_says_what_it_is() -> None:
    query, other = views(head_of("average"), maps())
    shown = repr(Pair(query, View(other.places, other.bias, other.whole, SIZE, 0.002, name="b.jpg")))
    assert "3x4 and 3x4" in shown
    assert "b.jpg" in shown
    assert "similarity=" in shown
    pair = Pair(View(query.places, query.bias, query.whole, SIZE, 0.001), View(*vars(other).values()))
    assert pair.affinity_error == 0.001


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda pair: pair.overall("left"), "'left' is no side of a pair; write query or other"),
        (lambda pair: pair.overall("query", sign="plus"), "sign 'plus' is not known; write both, positive or negative"),
        (lambda pair: pair.point("query", 24, 3), "which the network sees as 24 x 32 pixels; give 0 to 23 and 0 to 31"),
        (lambda pair: pair.point("other", 3, -1), "the point y=3, x=-1 lies outside of the picture"),
        (lambda pair: pair.point("other", float("nan"), 1), "lies outside of the picture"),
        (lambda pair: pair.region("query", np.ones((4, 3))), "the mask has the shape (4, 3); give one of (3, 4)"),
        (lambda pair: pair.region("query", np.ones(12)), "or of (24, 32) (pixels as the network sees them)"),
        (lambda pair: Pair(pair.query, View(np.zeros((1, 1, 3)), np.zeros(3), np.ones(3), SIZE)), "8 and 3 dimensions"),
        (
            lambda pair: Pair(pair.query, View(np.zeros((1, 1, 8)), np.zeros(8), np.zeros(8), SIZE)).similarity,
            "an embedding of this pair is zero or not a number",
        ),
    ],
)
def test_senseless_questions_are_refused_in_one_sentence(ask: Any, words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        ask(pair_of(head_of("average"), maps()))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
