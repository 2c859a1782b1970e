"""The parts of a division, by the properties that its facts name: masks, matching, cutting, batches of one cluster."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from kinsight.evaluation.diagnosis import effective_dimensions, spectrum
from kinsight.models import Embedding
from kinsight.models.grouping import MultiLinearHead
from kinsight.models.heads import LinearHead
from kinsight.models.subspaces import SubspacesHead, through
from kinsight.objectives import Objective, ObjectiveSettings
from kinsight.settings.training import BatchSettings
from kinsight.training.methods.division.batches import ASIDE, ORDERS, ClusterBatches, steps_of_the_code
from kinsight.training.methods.division.clustering import (
    at_random,
    bisected,
    by_category,
    by_features,
    can_pair,
    divided,
    paired,
)
from kinsight.training.methods.division.masks import Masks, SubspaceView, fixed_masks, mean_cosine
from kinsight.training.methods.division.matching import agreement, ious, matched, overlaps

RANDOM = np.random.default_rng(3)


def learned(count: int, groups: int = 1, width: int = 8) -> Masks:
    masks = Masks([2**depth for depth in range(count.bit_length())], groups, width)
    with torch.no_grad():
        masks.learned[0].copy_(torch.rand(1, groups * width) + 0.1)
    while len(masks.used()) < count:
        masks.deepen()
    return masks


def test_property_2_children_begin_as_their_parents_and_merge_into_them() -> None:
    masks = learned(8)
    for depth in range(3):
        assert len(masks.learned[depth + 1]) == 2 ** (depth + 1)
        assert torch.equal(masks.learned[depth + 1][0::2], masks.learned[depth])
        assert torch.equal(masks.learned[depth + 1][1::2], masks.learned[depth])
    features, labels = RANDOM.normal(size=(200, 5)).astype(np.float32), RANDOM.integers(0, 6, 200)
    parents = by_features(features, 10)(np.arange(200), 4, 0)
    children = bisected(by_features(features, 10), labels, parents, 4, seed=0, tries=1)
    assert np.array_equal(children // 2, parents)
    assert set(children) == set(range(8))


@pytest.mark.parametrize(("count", "groups", "width"), [(1, 1, 8), (4, 1, 512), (32, 1, 512), (4, 4, 8), (4, 1, 10)])
def test_property_3_fixed_masks_share_nothing_and_add_up_to_ones(count: int, groups: int, width: int) -> None:
    masks = fixed_masks(count, groups, width)
    assert torch.equal(masks.sum(0), torch.ones(groups * width))
    assert torch.equal(masks @ masks.T, torch.diag(masks.sum(1)))
    if width % count == 0:
        assert torch.equal(masks.sum(1), torch.full((count,), groups * width / count))
    assert float(mean_cosine(masks)) == pytest.approx(0, abs=1e-6)
    if count > 1 and width % count == 0:  # children are the halves of their parents
        assert torch.equal(masks[0::2] + masks[1::2], fixed_masks(count // 2, groups, width))


def test_property_3_orthogonality_is_1_for_equal_masks_and_between_0_and_1_for_all() -> None:
    assert float(mean_cosine(torch.rand(1, 8).repeat(4, 1))) == pytest.approx(1, abs=1e-6)
    for _ in range(20):
        masks = torch.randn(4, 8).relu()
        unit = masks / masks.norm(dim=1, keepdim=True).clamp_min(1e-8)
        pairs = [float(unit[i] @ unit[j]) for i, j in permutations(range(4), 2)]
        assert float(mean_cosine(masks)) == pytest.approx(np.mean(pairs), abs=1e-6)
        assert -1e-6 <= float(mean_cosine(masks)) <= 1 + 1e-6
    assert float(mean_cosine(torch.rand(1, 8))) == 0


def test_property_4_equal_masks_get_no_gradient_and_lengths_do_not_count() -> None:
    masks = (torch.rand(1, 8, dtype=torch.float64) + 0.1).repeat(4, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(mean_cosine(masks), masks)
    assert float(gradient.abs().max()) < 1e-12
    other = torch.rand(3, 8)
    longer = other * torch.tensor([0.1, 1.0, 7.0])[:, None]
    assert float(mean_cosine(longer)) == pytest.approx(float(mean_cosine(other)), rel=1e-5)


def objective_of(masks: Masks, width: int = 8) -> Objective:
    settings = ObjectiveSettings({"name": "margin"}, {"name": "none"})
    return Objective(settings, dim=width, classes=4, normalize=True, view=SubspaceView(masks))


def embedding_of(head: nn.Module, maps: torch.Tensor) -> Embedding:
    return SubspacesHead(head, subspaces=4)(maps)


def test_property_5_a_cluster_trains_its_own_mask_and_its_own_numbers() -> None:
    masks, head, maps = learned(4), LinearHead(6, (2, 2), dim=8), torch.randn(12, 6, 2, 2)
    with torch.no_grad():
        masks.learned[2][1, 3:5] = torch.tensor([0.0, -0.2])
    losses = objective_of(masks)(embedding_of(head, maps), torch.arange(12) % 4, seed=0, subset=1)
    assert float(losses.total.detach()) > 0
    losses.total.backward()
    gradient = masks.learned[2].grad
    assert gradient is not None
    assert gradient[[0, 2, 3]].abs().max() == 0
    assert gradient[1, 3:5].abs().max() == 0
    assert (gradient[1, [0, 1, 2, 5, 6, 7]] != 0).all()
    assert masks.learned[0].grad is None  # so that no optimizer keeps anything of it
    fixed, again = Masks([1, 2, 4], 1, 8, kind="fix"), LinearHead(6, (2, 2), dim=8)
    fixed.deepen()
    fixed.deepen()
    objective_of(fixed)(embedding_of(again, maps), torch.arange(12) % 4, seed=0, subset=2).total.backward()
    rows = again.layers[0].weight.grad.abs().sum(1)
    assert (rows[4:6] > 0).all()
    assert rows[[0, 1, 2, 3, 6, 7]].max() == 0


def test_property_6_the_length_of_a_mask_does_not_count() -> None:
    whole, mask = torch.randn(5, 8), torch.rand(8)
    for found in (Embedding.single(whole), Embedding(whole.unflatten(1, (2, 4)), whole, {}, "groups")):
        one, other = through(found, mask), through(found, 3.7 * mask)
        torch.testing.assert_close(one.normalized, other.normalized, atol=1e-6, rtol=0)


def test_property_7_a_renumbered_clustering_is_restored_and_matching_never_loses() -> None:
    for count in (2, 4, 8):
        old = RANDOM.integers(0, count, 300)
        for by in ("iou", "overlap"):
            order = RANDOM.permutation(count)
            assert np.array_equal(matched(old, order[old], count, by=by), old)
            new = np.where(RANDOM.random(300) < 0.4, RANDOM.integers(0, count, 300), order[old])
            new[RANDOM.random(300) < 0.1] = ASIDE
            found = matched(old, new, count, by=by)
            assert np.array_equal(found < 0, new < 0)
            score = overlaps if by == "overlap" else ious
            best = (
                max(score(old, new, count)[list(way), range(count)].sum() for way in permutations(range(count)))
                if count < 8
                else 0
            )
            total = np.trace(score(old, found, count))
            assert total >= np.trace(score(old, new, count)) - 1e-12
            assert count == 8 or total == pytest.approx(best)


def test_property_7_the_inverse_permutation_of_the_public_code_is_wrong_for_more_than_two() -> None:
    old = RANDOM.integers(0, 4, 400)
    cycle = np.array([1, 2, 3, 0])
    assert agreement(old, matched(old, cycle[old], 4)) == 1
    assert agreement(old, matched(old, cycle[old], 4, inverse=True)) == 0
    swapped = np.array([1, 0])[old % 2]
    assert agreement(old % 2, matched(old % 2, swapped, 2, inverse=True)) == 1


def test_property_8_more_clusters_are_tighter_and_each_can_form_pairs() -> None:
    labels = np.repeat(np.arange(30), 8)
    features = (RANDOM.normal(size=(30, 6)).repeat(8, 0) + 0.5 * RANDOM.normal(size=(240, 6))).astype(np.float32)
    inertias = []
    for count in (1, 2, 4, 8):
        found = divided(by_features(features, 20), labels, np.arange(240), count, seed=0, tries=30)
        assert all(can_pair(labels[found == number]) for number in range(count))
        inertias.append(sum(features[found == k].var(0).sum() * (found == k).sum() for k in range(count)))
    assert inertias == sorted(inertias, reverse=True)


def test_property_8_what_cannot_form_pairs_is_set_aside() -> None:
    labels = np.array([0, 0, 1, 1, 2, 3, 3, 0, 4, 4])
    clusters = np.array([0, 0, 0, 0, 0, 1, 1, 1, ASIDE, ASIDE])
    # Class 2 is alone in cluster 0; in cluster 1 class 0 is alone, and class 3 has no other beside it.
    assert paired(labels, clusters).tolist() == [0, 0, 0, 0, -1, -1, -1, -1, -1, -1]
    tries = []

    def cut(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
        tries.append(seed)
        return (np.arange(len(rows)) >= (2 if seed < 3 else 4)).astype(int)

    assert (
        divided(cut, np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.arange(8), 2, seed=0, tries=30).tolist()
        == [0] * 4 + [1] * 4
    )
    assert tries == [0, 1, 2, 3]
    divided(cut, np.arange(8), np.arange(8), 2, seed=0, tries=5)
    assert len(tries) == 9  # given up, and the last cut is used


def test_random_parts_are_even_and_categories_stay_whole() -> None:
    sizes = np.bincount(at_random(np.arange(103), 4, 1))
    assert sizes.max() - sizes.min() <= 1
    labels = RANDOM.integers(0, 20, 400)
    categories = labels // 4
    halves, quarters = (by_category(labels, categories)(np.arange(400), count, 0) for count in (2, 4))
    assert np.array_equal(quarters // 2, halves)
    assert all(len(set(halves[categories == kind])) == 1 for kind in range(5))
    assert all(len(set(quarters[labels == each])) == 1 for each in range(20))
    assert (
        len(set(by_category(labels, categories)(np.arange(400), 8, 0))) == 8
    )  # five kinds: some are cut between classes


LABELS = np.repeat(np.arange(24), 5)
CLUSTERS = paired(
    LABELS, np.where(RANDOM.random(120) < 0.1, ASIDE, np.minimum(LABELS // 3, 3))
)  # the last is the largest


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("per_class", [3, None])
def test_property_9_every_batch_is_of_one_cluster_and_can_form_pairs(order: str, per_class: int | None) -> None:
    batches = BatchSettings(size=12, per_class=per_class)
    sampler = ClusterBatches(LABELS, CLUSTERS, batches, length=40, seed=1, order=order)
    whole = list(sampler.epoch(2))
    assert len(whole) == len(sampler) == 40
    for batch in whole:
        rows = np.array([draw.index for draw in batch.draws])
        assert set(CLUSTERS[rows]) == {batch.subset}
        assert batch.subset != ASIDE
        if per_class:
            assert np.unique(LABELS[rows], return_counts=True)[1].min() >= per_class
            assert len(set(LABELS[rows])) >= 2
        else:
            assert len(set(rows)) == len(rows) == min(12, (batch.subset == CLUSTERS).sum())
    assert list(sampler.epoch(2, 17)) == whole[17:]
    assert len({draw.seed for batch in whole for draw in batch.draws}) == sum(map(len, whole))
    assert [batch.draws for batch in sampler.epoch(3)] != [batch.draws for batch in whole]


def test_property_9_how_often_the_turn_of_a_cluster_comes() -> None:
    sizes = np.bincount(CLUSTERS[CLUSTERS >= 0])
    counts = {
        order: [
            np.bincount(
                ClusterBatches(LABELS, CLUSTERS, BatchSettings(12, 3), length=42, seed=1, order=order).turns(epoch)
            )
            for epoch in range(40)
        ]
        for order in ORDERS
    }
    assert all(each.tolist() in ([11, 11, 10, 10], [10, 10, 11, 11]) for each in counts["round-robin"])
    share = 42 * sizes / sizes.sum()
    assert all((np.abs(each - share) < 1).all() for each in counts["proportional"])
    np.testing.assert_allclose(np.mean(counts["random"], 0), 10.5, atol=2)


@pytest.mark.parametrize("per_class", [4, None])
def test_a_small_cluster_fills_its_batches_as_far_as_it_can(per_class: int | None) -> None:
    labels, clusters = np.repeat([0, 1, 2], [4, 4, 30]), np.repeat([0, 1], [8, 30])
    sampler = ClusterBatches(labels, clusters, BatchSettings(20, per_class), length=6, seed=0, order="round-robin")
    small = [batch for batch in sampler.epoch(0) if batch.subset == 0]
    assert {len(batch) for batch in small} == {20 if per_class else 8}
    assert all(
        np.bincount(labels[[draw.index for draw in batch.draws]]).tolist()[:2] == ([10, 10] if per_class else [4, 4])
        for batch in small
    )


@pytest.mark.parametrize("kind", ["single", "groups"])
def test_property_10_fixed_masks_conquer_to_the_unmasked_embedding_and_learned_ones_do_not(kind: str) -> None:
    head = LinearHead(6, (2, 2), dim=8) if kind == "single" else MultiLinearHead(6, (2, 2), groups=2, dim=8)
    masked, maps = SubspacesHead(head, subspaces=4), torch.randn(5, 6, 2, 2)
    masked.write(fixed_masks(4, masked.parts, masked.part_dim))
    torch.testing.assert_close(masked(maps).whole, head(maps).whole)
    masks = torch.rand(4, 8)
    masked.write(masks)
    assert not torch.allclose(masked(maps).normalized, head(maps).normalized, atol=1e-2)
    if kind == "single":
        torch.testing.assert_close(masked(maps).whole, head(maps).whole * masks.sum(0))
    torch.testing.assert_close(SubspacesHead(head, subspaces=4, conquer="unmasked")(maps).whole, head(maps).whole)
    assert masked.alone(2)(maps).whole.shape == (5, 8)


def test_property_11_a_subspace_has_no_more_dimensions_than_its_mask() -> None:
    flat = np.zeros((500, 16), np.float32)
    flat[:, :5] = RANDOM.normal(size=(500, 5))
    turned = flat @ np.linalg.qr(RANDOM.normal(size=(16, 16)))[0]
    assert effective_dimensions(spectrum(turned), 1.0) == 5
    seen = through(Embedding.single(torch.randn(200, 16)), fixed_masks(4, 1, 16)[1]).normalized.numpy()
    assert effective_dimensions(spectrum(seen), 1.0) <= 4


def test_property_12_pictures_of_a_cluster_are_nearer_than_pictures_at_large() -> None:
    features = RANDOM.normal(size=(150, 8)).astype(np.float32)
    found = by_features(features, 20)(np.arange(150), 4, 0)
    distances = np.linalg.norm(features[:, None] - features, axis=2)
    within = np.mean([distances[np.ix_(found == k, found == k)].mean() for k in range(4)])
    assert within < distances.mean()


def test_property_14_steps_of_the_public_code_grow_with_the_imbalance_and_ours_do_not() -> None:
    even, uneven = np.repeat(np.arange(4), 30), np.repeat(np.arange(4), [10, 20, 30, 60])
    assert steps_of_the_code(even, 10) == 12
    assert steps_of_the_code(uneven, 10) == 24
    labels = np.tile(np.arange(10), 12)
    lengths = {
        len(list(ClusterBatches(labels, each, BatchSettings(10, 2), length=12, seed=0).epoch(0)))
        for each in (even, uneven)
    }
    assert lengths == {12}
