"""The objective of heads with groups: a loss, its parameters and its mined triplets for each group, and diversity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embeddings import total
from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.evaluation.clustering import f1, nmi
from kinsight.objectives import DiversityLoss, Objective, ObjectiveSettings
from kinsight.objectives.miners import DistanceWeightedMiner
from reference import grouping as reference
from reference import losses

GROUPS, SIZE, CLASSES = 3, 6, 5
LABELS = torch.arange(20) % CLASSES
MARGIN = {"name": "margin", "learn_beta": True, "per_class": True}


def make(loss: dict[str, Any] | None = None, miner: str = "none", *, groups: int = GROUPS, **options: Any) -> Objective:
    settings = ObjectiveSettings(loss or {"name": "binomial"}, {"name": miner}, **options)
    return Objective(
        settings, dim=groups * SIZE, classes=CLASSES, kind="groups" if groups > 1 else "single", parts=groups, seed=3
    )


def parts(groups: int = GROUPS, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randn(CLASSES, 1, SIZE, generator=generator)
    return F.normalize(classes[LABELS] + torch.randn(len(LABELS), groups, SIZE, generator=generator), dim=2)


@pytest.mark.parametrize(
    ("loss", "in_loops"),
    [
        ({"name": "contrastive"}, losses.contrastive),
        ({"name": "binomial"}, losses.binomial),
    ],
)
def test_the_mean_over_the_groups(loss: dict[str, Any], in_loops: Any) -> None:
    vectors = parts()
    expected = reference.grouped(vectors.double().numpy(), LABELS.tolist(), in_loops)
    assert float(total(make(loss), vectors, LABELS, seed=0)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", ["paper", "code"])
def test_diversity_is_added_with_its_weight(scale: str) -> None:
    vectors = parts()
    without = float(total(make(), vectors, LABELS, seed=0))
    with_it = float(total(make(diversity={"weight": 0.5, "scale": scale}), vectors, LABELS, seed=0))
    expected = 0.5 * reference.diversity(vectors.double().numpy(), scale)
    assert expected > 0.01
    assert with_it - without == pytest.approx(expected, rel=1e-4)


def test_one_group_is_the_plain_objective_bit_by_bit() -> None:
    settings = ObjectiveSettings(MARGIN, {"name": "distance-weighted"})
    apart = ObjectiveSettings(MARGIN, {"name": "distance-weighted"}, {"weight": 5.0})
    vectors = parts(1)[:, 0]
    plain = Objective(settings, dim=SIZE, classes=CLASSES, seed=3)
    one = Objective(apart, dim=SIZE, classes=CLASSES, seed=3)
    assert list(plain.state_dict()) == list(one.state_dict()) == ["terms.whole.metric.loss.beta"]
    assert torch.equal(total(plain, vectors, LABELS, seed=4), total(one, vectors, LABELS, seed=4))


def test_the_first_group_alone_is_a_plain_embedding() -> None:
    # Random choices included: the first group draws what a plain embedding would.
    vectors = parts()
    vectors[:, 1:] = F.one_hot(LABELS, SIZE).float()[:, None]  # the other groups are perfect: no loss
    loss = {"name": "margin", "beta": 0.8}
    grouped = total(make(loss, "distance-weighted"), vectors, LABELS, seed=4)
    plain = total(make(loss, "distance-weighted", groups=1), vectors[:, 0], LABELS, seed=4)
    assert float(grouped) == pytest.approx(float(plain) / GROUPS, rel=1e-6)
    assert float(plain) > 0


def test_a_beta_for_each_group_and_class() -> None:
    made = make(MARGIN, "distance-weighted")
    assert [tuple(parameter.shape) for parameter in made.loss_parameters()] == [(CLASSES,)] * GROUPS
    assert all(parameter.tolist() == pytest.approx([1.2] * CLASSES) for parameter in made.loss_parameters())
    total(made, parts(), LABELS, seed=0).backward()
    gradients = torch.stack([parameter.grad for parameter in made.loss_parameters()])
    assert gradients.abs().max() > 0
    assert not torch.allclose(gradients[0], gradients[1])


def test_proxies_of_the_groups_differ_and_follow_from_the_seed() -> None:
    one, again = make({"name": "proxy-anchor"}), make({"name": "proxy-anchor"})
    first, second, _ = one.loss_parameters()
    assert tuple(first.shape) == (CLASSES, SIZE)
    assert not torch.equal(first, second)
    assert all(map(torch.equal, one.loss_parameters(), again.loss_parameters()))


def test_every_group_has_its_own_triplets() -> None:
    made, seen = make({"name": "triplet"}, "distance-weighted"), []
    for metric in made.terms["parts"].metrics:
        metric.miner.register_forward_hook(lambda module, inputs, mined: seen.append((inputs[0], mined)))
    same = parts()[:, :1].repeat(1, GROUPS, 1)
    total(made, same, LABELS, seed=0)
    assert len(seen) == GROUPS
    assert not any(vectors.requires_grad for vectors, _ in seen)
    # Even where the groups are the same, their negatives are drawn anew.
    assert not torch.equal(seen[0][1][2], seen[1][1][2])


def test_the_loss_is_a_pure_function() -> None:
    made, vectors = make(MARGIN, "distance-weighted", diversity={}), parts()
    torch.manual_seed(1)
    one = total(made, vectors, LABELS, seed=5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(total(made, vectors, LABELS, seed=5), one)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(total(made, vectors, LABELS, seed=6), one)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare_gives_zero_gradients(count: int) -> None:
    made, vectors = make(MARGIN, "distance-weighted"), parts()[:count].requires_grad_()
    value = total(made, vectors, LABELS[:count], seed=0)
    value.backward()
    assert value.item() == 0
    assert not vectors.grad.any()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in made.loss_parameters())


def test_the_collapse_of_all_groups_has_a_known_value() -> None:
    made = make({"name": "margin", "beta": 1.0})
    vectors = parts()[:1].expand(len(LABELS), -1, -1)
    assert float(total(made, vectors, LABELS, seed=0)) == pytest.approx(made.collapsed_value, rel=1e-3)
    assert make({"name": "margin", "beta": 1.0}, diversity={}).collapsed_value is None


@pytest.mark.parametrize(
    ("shape", "words"),
    [((20, 18), ["(20, 18)", "(N, 3, 6)"]), ((20, 2, 9), ["(N, 3, 6)"]), ((19, 3, 6), ["(19, 3, 6)", "(20,)"])],
)
def test_batches_that_do_not_fit(shape: tuple[int, ...], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        total(make(), torch.randn(shape), LABELS, seed=0)
    for word in words:
        assert word in str(caught.value)


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(KinsightError, match="16 numbers cannot be split into 3 parts"):
        Objective(ObjectiveSettings(), dim=16, classes=2, kind="groups", parts=3)
    for groups in (1, 2):
        with pytest.raises(KinsightError, match="'scales' is not one of its options"):
            make(groups=groups, diversity={"scales": "code"})


def at_distances(*distances: float) -> Tensor:
    """Points of a circle at these distances from the first."""
    angles = [0.0, *(2 * np.arcsin(distance / 2) for distance in distances)]
    return torch.tensor([[np.cos(angle), np.sin(angle)] for angle in angles])


@pytest.mark.parametrize(
    ("positive", "negative", "is_zero"),
    [(0.95, 1.45, True), (1.05, 1.45, False), (0.95, 1.35, False), (0.1, 1.9, True), (1.3, 1.1, False)],
)
def test_10_margin_loss_is_zero_beyond_its_margins_alone(positive: float, negative: float, is_zero: bool) -> None:
    settings = ObjectiveSettings(MARGIN, {"name": "none"})
    made = Objective(settings, dim=4, classes=2, kind="groups", parts=2)
    # A negative at that distance from the anchor, and farther from the positive than both margins ask.
    vectors = at_distances(positive, negative)
    vectors[2, 1] *= -1
    value = total(made, vectors.unsqueeze(1).repeat(1, 2, 1).float(), torch.tensor([0, 0, 1]), seed=0)
    assert (value.item() == 0) is is_zero


def test_11_negatives_are_drawn_evenly_over_the_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(600, 2, 4, generator=generator), dim=2)
    labels, miner = torch.arange(600) % 100, DistanceWeightedMiner(0.5, None)
    torch.manual_seed(0)
    for group in vectors.unbind(1):
        anchor, _, negative = miner(group, labels)
        distance = (group[anchor] - group[negative]).norm(dim=1)
        inside = distance[(distance >= 0.5) & (distance < 1.41)]
        share = torch.histc(inside, bins=5, min=0.5, max=1.41) / len(inside)
        assert share.min() > 0.8 / 5
        assert share.max() < 1.2 / 5


def test_11_random_points_of_a_group_are_at_the_square_root_of_two() -> None:
    points = F.normalize(torch.randn(1000, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    assert float(torch.pdist(points).mean()) == pytest.approx(1.413, abs=1e-3)


@pytest.mark.parametrize("size", [4, 5])
def test_12_a_perfect_embedding(size: int) -> None:
    labels = np.repeat(np.arange(6), size)
    vectors = F.one_hot(torch.from_numpy(labels), 8).float().unsqueeze(1).repeat(1, GROUPS, 1)
    whole = vectors.flatten(1).numpy()
    metrics = evaluate(whole, labels, ks=(1,), clustering=False, diagnosis=False, intervals=False)
    assert metrics["recall_at_1"] == metrics["map_at_r"] == 1
    # Without k-means, which may end at less than the best clusters: those that the embedding has.
    clusters = np.unique(whole, axis=0, return_inverse=True)[1].reshape(-1)
    assert nmi(labels, clusters) == pytest.approx(1)
    assert f1(labels, clusters) == pytest.approx(1)
    assert metrics["map_n"] == pytest.approx(1 - 1 / size)


@pytest.mark.long
def test_grouped_training_pulls_classes_together_and_groups_apart() -> None:
    vectors = torch.randn(20, GROUPS, SIZE, generator=torch.Generator().manual_seed(0)) * 0.3
    vectors = (vectors + torch.ones(SIZE)).requires_grad_()
    made = make(MARGIN, "distance-weighted", diversity={"weight": 0.1})
    optimizer = torch.optim.Adam([{"params": [vectors], "lr": 0.05}, {"params": made.loss_parameters(), "lr": 5e-4}])
    similar = float(DiversityLoss()(vectors))
    for step in range(120):
        optimizer.zero_grad()
        total(made, F.normalize(vectors, dim=2), LABELS, seed=step).backward()
        optimizer.step()
    assert similar > 10
    assert float(DiversityLoss()(vectors)) < 0.1 * similar
    whole = F.normalize(vectors.detach(), dim=2).flatten(1).numpy()
    metrics = evaluate(whole, LABELS.numpy(), ks=(1,), clustering=False, diagnosis=False, intervals=False)
    assert metrics["recall_at_1"] == 1
