"""Pairs of heads with groups, and what groups look at, against plain loops and planted pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Pair, View, contributions
from kinsight.explanation.centres import Centres
from kinsight.explanation.closed_form import has_closed_form
from kinsight.explanation.measuring.groups import (
    ELSEWHERE,
    Groups,
    part_confusion,
    part_confusion_on_masks,
    read_groups,
)
from kinsight.models import Embedder, ModelSettings, build_embedder

HEADS = ("attentive", "multi-linear", "gate", "channel")


def model_of(head: str, **options: Any) -> Embedder:
    torch.manual_seed(0)
    settings = ModelSettings(trunk="test_resnet", size=96, head={"name": head, "groups": 3, "dim": 12, **options})
    return build_embedder(settings, seed=1).double().eval()


def pictures(count: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(3, 96, 96, generator=generator, dtype=torch.float64) for _ in range(count)]


@pytest.mark.parametrize("head", HEADS)
def test_a_pair_is_the_mean_of_its_groups(head: str) -> None:
    query, other = Explainer(model_of(head)).views(pictures())
    pair = Pair(query, other)
    assert len(pair.groups) == 3
    assert np.mean([each.similarity for each in pair.groups]) == pytest.approx(pair.similarity, abs=1e-10)
    assert max(each.completeness_error for each in (pair, *pair.groups)) < 1e-10
    assert np.mean([each.tensor for each in pair.groups], axis=0) == pytest.approx(pair.tensor, abs=1e-12)
    assert np.mean([each.terms for each in pair.groups], axis=0) == pytest.approx(pair.terms, abs=1e-12)
    for side in ("query", "other"):
        maps = [each.point(side, 40.0, 70.0) for each in pair.groups]
        assert np.mean(maps, axis=0) == pytest.approx(pair.point(side, 40.0, 70.0), abs=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_a_group_is_what_the_head_gives_for_it(head: str) -> None:
    model = model_of(head)
    images = pictures()
    with torch.no_grad():
        parts = model(torch.stack(images)).parts.numpy()  # (2, 3, 4)
    views = Explainer(model).views(images)
    for number in range(3):
        one, two = (view.group(number) for view in views)
        assert one.whole == pytest.approx(parts[0, number], abs=1e-10)
        assert one.places.sum((0, 1)) + one.bias == pytest.approx(parts[0, number], abs=1e-10)
        cosine = parts[0, number] @ parts[1, number]  # of length 1
        assert Pair(one, two).similarity == pytest.approx(cosine, abs=1e-10)
        assert one.groups == 1


def test_attention_comes_with_the_views() -> None:
    model = model_of("attentive")
    images = pictures()
    with torch.no_grad():
        wanted = model(torch.stack(images)).extras["attention"].numpy()
    view = Explainer(model).views(images)[1]
    assert view.attention == pytest.approx(wanted[1], abs=1e-12)
    assert view.group(2).attention == pytest.approx(wanted[1, 2:3], abs=1e-12)
    assert Explainer(model_of("gate")).views(images)[0].attention is None


def test_a_plain_embedding_is_one_group() -> None:
    settings = ModelSettings(trunk="test_resnet", size=96, head={"dim": 8})
    views = Explainer(build_embedder(settings).double()).views(pictures())
    pair = Pair(*views)
    assert len(pair.groups) == 1
    assert pair.groups[0].similarity == pair.similarity
    assert pair.groups[0].tensor == pytest.approx(pair.tensor)
    with pytest.raises(KinsightError, match="group 1 does not exist; this embedding has the groups 0 to 0"):
        views[0].group(1)


def test_pairs_of_different_groups_have_none() -> None:
    vectors = np.ones((2, 2, 6)), np.zeros(6), np.ones(6)
    pair = Pair(View(*vectors, (8, 8), groups=3), View(*vectors, (8, 8), groups=2))
    with pytest.raises(KinsightError, match="have 3 and 2 groups"):
        _ = pair.groups


@pytest.mark.parametrize("head", HEADS)
def test_reading_groups(head: str) -> None:
    model = model_of(head)
    images = pictures(3)
    groups = read_groups(Explainer(model), images, batch_size=2)
    assert groups.kind == {"attentive": "attention", "multi-linear": "contributions"}.get(head, "response")
    with torch.no_grad():
        answer = model(torch.stack(images))
    assert groups.vectors == pytest.approx(answer.parts.numpy(), abs=1e-6)
    views = Explainer(model).views(images)
    for row, view in enumerate(views):
        for number, pair in enumerate(Pair(view, view).groups):
            # A picture beside itself: what its places say to its own embedding, without what is said to the bias.
            wanted = pair.overall("query", bias=True)
            assert groups.contributions[row, number] == pytest.approx(wanted, abs=1e-6)
    if head in ("gate", "channel"):
        assert groups.looks == pytest.approx(answer.extras["response"].numpy(), abs=1e-6)
    if head == "multi-linear":
        assert groups.looks is groups.contributions or np.array_equal(groups.looks, groups.contributions)


def test_a_model_without_groups_is_refused() -> None:
    settings = ModelSettings(trunk="test_resnet", size=96, head={"dim": 8})
    with pytest.raises(KinsightError, match="this model has a single embedding a picture; train one with"):
        read_groups(Explainer(build_embedder(settings)), [torch.zeros(3, 96, 96)])
    with pytest.raises(KinsightError, match="no picture was given"):
        read_groups(Explainer(model_of("attentive")), [])


@pytest.mark.parametrize("head", ["gate", "channel"])
def test_the_response_is_the_weighed_channel_that_says_most(head: str) -> None:
    module = model_of(head).head
    feature_map = torch.rand(2, module.channels, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        response = module(feature_map).extras["response"]  # (2, 3, 2, 3)
        for row in range(2):
            one = feature_map[row]
            for group in range(3):
                if head == "gate":
                    masks = module.masks(module.reduce(one[None])).unflatten(1, (3, -1))[0, group]
                    weighed = one * masks
                else:
                    weighed = one * module.weights[group](one.mean((1, 2)))[:, None, None]
                best = weighed.mean((1, 2)).argmax()
                assert torch.allclose(response[row, group], weighed[best])
        module.train()
        assert not module(feature_map).extras  # it costs memory, and only pages show it


def planted(maps: np.ndarray, vectors: np.ndarray | None = None) -> Groups:
    count, groups, height, width = maps.shape
    if vectors is None:
        vectors = np.tile(np.eye(groups), (count, 1, 1))
    centres = Centres.even((height * 10, width * 10), (height, width))
    windows = np.tile([0.0, 0.0, width * 10, height * 10], (count, 1))
    return Groups(vectors, maps, "attention", maps, centres, windows)


def test_figures_of_groups_by_hand() -> None:
    maps = np.zeros((2, 3, 2, 2))
    maps[0, 0, 0, 0], maps[0, 1, 0, 0], maps[0, 1, 1, 1], maps[0, 2, 1, 0] = 1, 0.75, 0.25, 1
    maps[1, 0, 1, 1], maps[1, 1, 1, 1], maps[1, 2, 0, 1] = 0.5, 1, 1
    maps[1, 0, 1, 0] = 0.5
    groups = planted(maps)
    assert groups.count == 3
    assert groups.strongest(0).tolist() == [0, 1]
    assert groups.strongest(1).tolist() == [1, 0]
    assert groups.strongest(1, 1).tolist() == [1]
    assert groups.overlap == pytest.approx(np.array([[1, (0.75 + 0.5) / 2, 0], [0.625, 1, 0], [0, 0, 1]]))
    assert groups.peaks[0].tolist() == [[5, 5], [7.5, 7.5], [5, 15]]  # the second looks at another place, too
    assert groups.similarity == pytest.approx(np.eye(3))
    same = planted(maps, np.full((2, 3, 1), 1.0))
    assert same.similarity == pytest.approx(np.ones((3, 3)))


def test_groups_that_say_nothing_overlap_with_nothing() -> None:
    assert planted(np.zeros((1, 2, 2, 2))).overlap.tolist() == [[0, 0], [0, 0]]


def test_peaks_fall_on_parts() -> None:
    maps = np.zeros((3, 3, 4, 4))
    places = [[(0, 0), (3, 3), (0, 3)], [(0, 0), (0, 0), (0, 0)], [(3, 0), (0, 0), (3, 3)]]
    for row, each in enumerate(places):
        for group, (i, j) in enumerate(each):
            maps[row, group, i, j] = 1
    nowhere = (np.nan, np.nan)
    parts = [
        {"beak": (5.0, 5.0), "tail": (35.0, 35.0), "wing": (20.0, 20.0)},
        {"beak": (8.0, 5.0), "tail": (4.0, 6.0), "wing": nowhere},
        {"beak": nowhere, "tail": (35.0, 34.0), "wing": nowhere},
    ]
    boxes = np.tile([0.0, 0, 40, 30], (3, 1))
    found = part_confusion(planted(maps), parts, boxes, np.array([0, 0, 1]), reach=0.1)  # within 4 pixels
    assert found.parts == ["beak", "tail", "wing", ELSEWHERE]
    third = 1 / 3
    assert found.shares == pytest.approx(
        np.array([[third, third, 0, third], [0, 2 * third, 0, third], [0, 2 * third, 0, third]])
    )
    assert found.distinct.tolist() == [2, 1, 1]
    assert found.at_least(2).value == pytest.approx(third)
    assert found.at_least(1).value == 1


def test_peaks_fall_on_what_their_pixel_shows() -> None:
    maps = np.zeros((4, 3, 4, 4))
    for row, each in enumerate([[(0, 0), (3, 3), (0, 3)]] * 4):
        for group, (i, j) in enumerate(each):
            maps[row, group, i, j] = 1
    maps[1, 0, 1, 0] = 1  # a plateau: its middle is (10, 5) down and across
    mask = np.zeros((40, 40), int)
    mask[:10, :8], mask[10:, :8] = 1, 2
    mask[35:36, 35:36] = 7  # one pixel is enough
    mask[0:10, 30:40] = 9  # no part of this name
    names = {1: "beak", 2: "wing", 7: "tail"}
    found = part_confusion_on_masks(planted(maps), [mask, mask, None, 0 * mask], names, np.array([0, 1, 1, 1]))
    assert found.parts == ["beak", "tail", "wing", ELSEWHERE]
    assert found.measured.tolist() == [True, True, False, False]
    assert found.fallen.tolist() == [[0, 1, 3], [2, 1, 3], [-1] * 3, [-1] * 3]
    assert found.distinct.tolist() == [2, 2]
    assert found.labels.tolist() == [0, 1]
    assert found.reach is None
    with pytest.raises(KinsightError, match="3 masks and 4 labels do not fit 4 pictures"):
        part_confusion_on_masks(planted(maps), [mask] * 3, names, np.zeros(4))
    with pytest.raises(KinsightError, match="no picture has a mask that shows a part"):
        part_confusion_on_masks(planted(maps), [0 * mask] * 4, names, np.zeros(4))


def test_pictures_without_parts_or_box_are_not_measured() -> None:
    maps = np.zeros((4, 2, 4, 4))
    maps[:, 0, 0, 0] = maps[:, 1, 3, 3] = 1
    seen = {"beak": (5.0, 5.0), "tail": (35.0, 35.0)}
    boxes = np.tile([0.0, 0, 40, 40], (4, 1))
    boxes[2] = np.nan
    labels = np.array(["a", "a", "b", "b"])
    found = part_confusion(planted(maps), [seen, {"beak": (np.nan, np.nan)}, seen, {}], boxes, labels)
    assert found.measured.tolist() == [True, False, False, False]
    assert found.shares.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert found.fallen.tolist() == [[0, 1], [-1, -1], [-1, -1], [-1, -1]]
    assert (found.distinct.tolist(), found.labels.tolist()) == ([2], ["a"])
    assert found.at_least(2).value == 1


def test_part_confusion_refuses_what_does_not_fit() -> None:
    groups = planted(np.zeros((2, 2, 2, 2)))
    box = np.array([[0, 0, 10, 10.0]])
    with pytest.raises(KinsightError, match="1 parts, 1 boxes and 1 labels do not fit 2 pictures"):
        part_confusion(groups, [{}], box, np.array([0]))
    nowhere = {"beak": (np.nan, np.nan)}
    with pytest.raises(KinsightError, match="no picture has both a visible part and a box"):
        part_confusion(groups, [nowhere] * 2, np.tile(box, (2, 1)), np.array([0, 1]))


def test_translation_moves_attention_by_whole_places() -> None:
    """Property 13: a blank picture with a blot that moves by one stride moves the attention by one place."""
    model = model_of("attentive")
    with torch.no_grad():
        model.head.queries.weight *= 300  # untrained queries hardly prefer any place
    stride = 96 // model.trunk.map_size[0]
    blot = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images = torch.zeros(2, 3, 96 + 4 * stride, 96 + 4 * stride, dtype=torch.float64)
    for row, aside in enumerate((0, stride)):
        at = images.shape[2] // 2 - 6 + aside
        images[row, :, at : at + 12, at : at + 12] = blot
    with torch.no_grad():
        answer = model(images)
    first, second = answer.extras["attention"]
    inside = slice(2, -2)  # zero padding reaches in from the border
    assert torch.allclose(first[:, inside, inside], second[:, 3:-1, 3:-1], atol=5e-3)
    assert not torch.allclose(first[:, inside, inside], second[:, inside, inside], atol=5e-2)
    assert float(torch.nn.functional.cosine_similarity(*answer.whole, dim=0)) > 0.99


@pytest.mark.parametrize("options", [{"name": name} for name in HEADS] + [{"name": "attentive", "shared_linear": True}])
def test_the_closed_form_is_what_derivatives_give(options: dict[str, Any]) -> None:
    head = model_of(**{"head": options["name"], **{key: value for key, value in options.items() if key != "name"}}).head
    feature_map = torch.randn(2, head.channels, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert has_closed_form(head)
    fast, slow = (contributions(head, feature_map, fast=each) for each in (True, False))
    assert torch.allclose(fast.places, slow.places, rtol=0, atol=1e-12)
    assert torch.allclose(fast.bias, slow.bias, rtol=0, atol=1e-12)
    assert torch.allclose(fast.places.sum((1, 2)) + fast.bias, fast.whole, rtol=0, atol=1e-12)
