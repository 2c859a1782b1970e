"""The testable properties of "Visual Explanation for Deep Metric Learning", by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from kinsight.explanation import Pair, View
from kinsight.explanation.gradients import grad_cam, gradient_times_activation, similarity_gradient
from kinsight.models import Embedding, LinearHead
from made_pairs import (
    CHANNELS,
    GRID,
    HEADS,
    SIZE,
    cosine,
    head_of,
    maps,
    opened,
    pair_of,
    views,
    wholes,
    without_bias,
)
from reference.contributions import jacobian_of_normalisation, matrices, split


def gradient(head: LinearHead, seed: int = 0, *, normalized: bool) -> torch.Tensor:
    """Of the first map's similarity to the second."""
    query, other = maps(seed=seed)
    return similarity_gradient(
        opened(head, query[None]), torch.from_numpy(wholes(head, other[None])), normalized=normalized
    )


def norms(pair: Pair) -> float:
    return float(np.linalg.norm(pair.query.whole) * np.linalg.norm(pair.other.whole))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two maps about zero: 1 when they are equal up to a positive factor."""
    return cosine(a.ravel(), b.ravel())


@pytest.mark.parametrize("name", HEADS)
def test_property_01_the_four_terms_add_up_to_the_cosine(name: str) -> None:
    for dtype, exact in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        head, feature_map = head_of(name).to(dtype), maps().to(dtype)
        pair = pair_of(head, feature_map)
        wanted = cosine(*wholes(head, feature_map))
        assert pair.similarity == pytest.approx(wanted, abs=1e-12)
        assert pair.tensor.sum() + sum(pair.terms[1:]) == pytest.approx(wanted, abs=exact)
        assert pair.terms.places == pytest.approx(pair.tensor.sum(), abs=1e-12)
        assert pair.completeness_error <= exact
    assert min(map(abs, pair.terms)) > 1e-4, "no term is idle"


@pytest.mark.parametrize("name", HEADS)
def test_property_02_the_overall_maps_and_the_other_terms_add_up_to_the_cosine(name: str) -> None:
    pair = pair_of(head_of(name), maps())
    _, query_bias, other_bias, bias = pair.terms
    for side, own in (("query", query_bias), ("other", other_bias)):
        others = query_bias + other_bias - own
        assert pair.overall(side).sum() + own + others + bias == pytest.approx(pair.similarity, abs=1e-12)
        assert pair.overall(side, bias=True).sum() + others + bias == pytest.approx(pair.similarity, abs=1e-12)


@pytest.mark.parametrize("name", HEADS)
def test_property_03_gradient_times_activation_is_decomposition_with_bias(name: str) -> None:
    head = head_of(name)
    pair = pair_of(head, maps())
    found = gradient_times_activation(opened(head, maps()[:1]), gradient(head, normalized=False))[0].numpy()
    assert np.allclose(found / norms(pair), pair.overall("query", bias=True), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["average", "BNNeck", "flatten", "maximum"])
def test_property_04_grad_cam_is_decomposition_with_bias_only_after_average_pooling(name: str) -> None:
    head = head_of(name)
    wanted = pair_of(head, maps()).overall("query", bias=True)
    found = grad_cam(opened(head, maps()[:1]), gradient(head, normalized=False))[0].numpy()
    if HEADS[name]["pooling"] == "avg":
        assert likeness(found, wanted) == pytest.approx(1, abs=1e-12)
    else:
        assert likeness(found, wanted) < 0.9


@pytest.mark.parametrize("name", HEADS)
def test_property_05_maps_of_the_cosine_add_up_to_the_bias_alone(name: str) -> None:
    head, exact = head_of(name), 1e-12
    query, other = views(head, maps())
    slope = jacobian_of_normalisation(query.whole) @ other.whole / np.linalg.norm(other.whole)  # dS/dE_q
    change = gradient(head, normalized=True)
    found = gradient_times_activation(opened(head, maps()[:1]), change)[0].numpy()
    assert found.sum() == pytest.approx(-slope @ query.bias, abs=exact)
    assert abs(found.sum()) > 1e-4
    if HEADS[name]["pooling"] == "avg":
        assert grad_cam(opened(head, maps()[:1]), change).sum() == pytest.approx(-slope @ query.bias, abs=exact)

    bare = without_bias(head)
    found = gradient_times_activation(opened(bare, maps()[:1]), gradient(bare, normalized=True))[0].numpy()
    if name == "generalised mean":  # values below its floor count as the floor, which is a bias of its own
        return
    assert found.sum() == pytest.approx(0, abs=exact)
    assert found.max() > 1e-3
    assert found.min() < -1e-3


def test_property_06_after_max_pooling_only_maxima_are_on_the_map() -> None:
    feature_map = maps()
    head = head_of("maximum", dim=None)
    query, _ = views(head, feature_map)
    best = feature_map[0].flatten(1).argmax(1).tolist()
    mask = (query.places != 0).reshape(-1, CHANNELS)
    assert {(place, channel) for place, channel in np.argwhere(mask).tolist()} == {
        (place, channel) for channel, place in enumerate(best)
    }
    assert np.array_equal(query.places.sum((0, 1)), feature_map[0].amax((1, 2)).numpy())
    shown = pair_of(head_of("maximum"), feature_map).overall("query", bias=True)
    assert set(np.flatnonzero(shown)) <= set(best)


@pytest.mark.parametrize("name", ["average", "maximum", "flatten", "ReLU"])
def test_property_07_without_a_bias_both_decompositions_are_one(name: str) -> None:
    pair = pair_of(head_of(name), maps())
    assert not np.allclose(pair.overall("query"), pair.overall("query", bias=True), atol=1e-6)
    bare = pair_of(without_bias(head_of(name)), maps())
    assert np.allclose(bare.overall("query"), bare.overall("query", bias=True), rtol=0, atol=1e-14)
    assert bare.terms[1:] == pytest.approx((0, 0, 0), abs=1e-14)


@pytest.mark.parametrize("name", ["average", "maximum", "flatten"])
def test_property_08_swapping_transposes_and_rotation_changes_nothing(name: str) -> None:
    head = head_of(name)
    pair = pair_of(head, maps())
    swapped = Pair(*reversed(views(head, maps())))
    assert np.allclose(swapped.tensor, pair.tensor.transpose(2, 3, 0, 1), rtol=1e-12)
    assert np.array_equal(pair.swapped().tensor, swapped.tensor)
    assert pair.swapped().terms == pytest.approx([pair.terms[i] for i in (0, 2, 1, 3)])

    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))
    rotation = torch.from_numpy(turn)

    def rotated(feature_map: torch.Tensor) -> Embedding:
        return Embedding.single(head(feature_map).whole @ rotation)

    assert np.allclose(pair_of(rotated, maps()).tensor, pair.tensor, rtol=0, atol=1e-14)
    assert not np.allclose(views(rotated, maps())[0].places, pair.query.places, atol=1e-3)


def test_property_09_distance_ranks_alike_and_length_does_not_matter() -> None:
    head = head_of("average")
    query, *others = views(head, maps(12))
    similar = [Pair(query, other).similarity for other in others]
    units = [view.whole / np.linalg.norm(view.whole) for view in (query, *others)]
    distances = [float(((units[0] - unit) ** 2).sum()) for unit in units[1:]]
    assert np.argsort(similar).tolist() == np.argsort(-np.array(distances) / 2).tolist()
    assert np.allclose(similar, 1 - np.array(distances) / 2)

    pair = Pair(query, others[0])
    longer = View(3 * query.places, 3 * query.bias, 3 * query.whole, SIZE)
    scaled = Pair(longer, others[0])
    assert scaled.similarity == pytest.approx(pair.similarity, abs=1e-15)
    assert np.allclose(scaled.tensor, pair.tensor, rtol=1e-12)


@pytest.mark.parametrize("name", ["batch norm", "BNNeck", "ReLU"])
def test_property_10_batch_norm_is_folded_with_its_eps_and_its_running_statistics(name: str) -> None:
    head = head_of(name)
    norm = next(layer for layer in head.layers if isinstance(layer, nn.BatchNorm1d))
    assert norm.running_var is not None
    norm.running_var.mul_(1e-4)  # small variances, where eps counts
    feature_map = maps(4)

    def folded() -> np.ndarray:
        rows = [(matrices(head, one), one) for one in feature_map.numpy()]
        return np.stack([split(W, one).sum((0, 1)) + B for (W, B), one in rows])

    def off(found: np.ndarray, wanted: np.ndarray) -> float:
        return float(np.abs(found - wanted).max() / np.abs(wanted).max())

    whole = wholes(head, feature_map)
    assert off(folded(), whole) < 1e-5
    query = views(head, feature_map)[0]
    assert off(query.places.sum((0, 1)) + query.bias, whole[0]) < 1e-5
    eps, norm.eps = norm.eps, 0.0
    assert off(folded(), whole) > 1e-3
    norm.eps = eps
    assert off(folded(), wholes(head.train(), feature_map)) > 1e-2


def test_property_11_the_same_weights_everywhere_make_flatten_an_average() -> None:
    average, flat = head_of("average"), head_of("flatten")
    weight, bias = average.layers[0].weight, average.layers[0].bias
    flat.layers[0].weight.data = weight[:, :, None].expand(-1, -1, 12).flatten(1) / 12
    flat.layers[0].bias.data = bias.data
    wanted, found = pair_of(average, maps()), pair_of(flat, maps())
    assert np.allclose(found.tensor, wanted.tensor, rtol=0, atol=1e-14)
    cam = grad_cam(opened(flat, maps()[:1]), gradient(flat, normalized=False))[0].numpy()
    assert np.allclose(cam / norms(found), found.overall("query", bias=True), rtol=0, atol=1e-14)


@pytest.mark.parametrize("side", ["query", "other"])
def test_property_12_a_point_at_a_centre_is_a_slice_and_all_points_are_the_sum(side: str) -> None:
    pair = pair_of(head_of("flatten"), maps())
    tensor = pair.tensor if side == "query" else pair.tensor.transpose(2, 3, 0, 1)
    tall, wide = (pixels // places for pixels, places in zip(SIZE, GRID, strict=True))
    for i in range(GRID[0]):
        for j in range(GRID[1]):
            found = pair.point(side, i * tall + (tall - 1) / 2, j * wide + (wide - 1) / 2)
            assert np.allclose(found, tensor[i, j], rtol=0, atol=1e-15)
    everywhere = sum(pair.point(side, y, x) for y in range(SIZE[0]) for x in range(SIZE[1]))
    assert np.allclose(everywhere / (tall * wide), tensor.sum((0, 1)), rtol=0, atol=1e-13)


def landmarks(strengths: np.ndarray) -> np.ndarray:
    """(8,) -> contributions (8, 9): each place says what it is, and how much of something it is that all are."""
    return np.concatenate([strengths[:, None], np.eye(8)], 1)


def test_property_13_planted_evidence_is_found_where_it_was_planted() -> None:
    feature_map = 0.1 * maps()
    pattern = 3 * torch.randn(CHANNELS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    feature_map[0, :, 0, 3] += pattern
    feature_map[1, :, 2, 1] += pattern
    tensor = pair_of(head_of("average", bias=False), feature_map).tensor
    assert np.unravel_index(tensor.argmax(), tensor.shape) == (0, 3, 2, 1)

    # Eight landmarks stand on the horizon of a street picture and around the centre of an aerial one, turned.
    ring = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]  # clockwise from the top
    random = np.random.default_rng(0)
    hits = {"partial": 0, "overall": 0}
    for _ in range(200):
        turned = int(random.integers(8))
        street = landmarks(random.uniform(0, 0.9, 8))[None]  # (1, 8, 9)
        aerial = np.zeros((3, 3, 9))
        for landmark, says in enumerate(landmarks(random.uniform(0, 0.9, 8))):
            aerial[ring[(landmark + turned) % 8]] = says
        query, other = (
            View(places, np.zeros(9), places.sum((0, 1)), size)
            for places, size in ((street, (4, 32)), (aerial, (12, 12)))
        )
        pair = Pair(query, other)
        column = int(pair.overall("query").argmax())
        seen = 45 * column
        for method, shown in (
            ("partial", pair.point("query", 1.5, 4 * column + 1.5)),
            ("overall", pair.overall("other")),
        ):
            row, side = np.unravel_index(shown.argmax(), (3, 3))
            angle = math.degrees(math.atan2(side - 1, 1 - row))
            hits[method] += round(angle - seen - 45 * turned) % 360 == 0
    assert hits["partial"] == 200
    assert 200 * 0.05 < hits["overall"] < 200 * 0.25  # chance is 1 in 8


def test_property_14_a_region_searches_like_the_picture_when_it_is_the_whole_picture() -> None:
    head = without_bias(head_of("average"))
    feature_map = maps(30)
    feature_map[7, :, 0, 0] = feature_map[0, :, 2, 3] * 9  # one picture shares one place with the query
    query, *gallery = views(head, feature_map)

    def ranking(region: np.ndarray) -> list[int]:
        partial = np.tensordot(region, query.places, 2)  # (D,)
        scores = [cosine(partial, other.whole) for other in gallery]
        return np.argsort(scores)[::-1].tolist()

    whole = ranking(np.ones(GRID))
    similar = [Pair(query, other).similarity for other in gallery]
    assert whole == np.argsort(similar)[::-1].tolist()
    corner = np.zeros(GRID)
    corner[2, 3] = 1
    assert ranking(corner) != whole
    assert ranking(corner).index(6) < whole.index(6)
    # With a bias the places are not the whole picture.
    query, *gallery = views(head_of("average"), feature_map)
    similar = [Pair(query, other).similarity for other in gallery]
    assert ranking(np.ones(GRID)) != np.argsort(similar)[::-1].tolist()
