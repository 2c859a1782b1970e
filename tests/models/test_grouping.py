"""Heads with groups: what they compute, their properties by the number the method's facts give them, and exact contributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor, nn
from torch.nn import functional

from kinsight.errors import KinsightError
from kinsight.explanation import contributions
from kinsight.models import Embedding, ModelSettings, build_embedder, gates, grouping, load_embedder, make_head
from kinsight.objectives import DiversityLoss
from reference import grouping as reference

CHANNELS, SIZE, GROUPS, DIM = 16, (3, 4), 3, 14
KINDS: dict[str, dict[str, Any]] = {
    "multi-linear": {"name": "multi-linear"},
    "gate": {"name": "gate"},
    "channel": {"name": "channel"},
    "attentive": {"name": "attentive"},
    "attentive shared": {"name": "attentive", "shared_linear": True},
}
NONE = {"name": "linear", "pooling": "avg", "bias": False, "dim": DIM}


def head(kind: str, **options: object) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = make_head({**KINDS[kind], "groups": GROUPS, "dim": DIM, **options}, CHANNELS, SIZE)
        for parameter in made.parameters():  # larger than at the start, so that attention and masks are uneven
            parameter.data.mul_(3)
    return made


def feature_map(seed: int = 0, count: int = 4) -> Tensor:
    return torch.randn(count, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(seed))


def matrix(layer: nn.Module) -> np.ndarray:
    """The weights of a linear layer or a 1x1 convolution, (out, in)."""
    return layer.get_parameter("weight").detach().double().flatten(1).numpy()


def vector(layer: nn.Module) -> np.ndarray:
    return layer.get_parameter("bias").detach().double().numpy()


def in_loops(kind: str, made: Any, one: np.ndarray) -> list[np.ndarray]:
    if kind == "multi-linear":
        return reference.multi_linear(one, matrix(made.linear), GROUPS)
    if kind == "gate":
        blocks = zip(np.split(matrix(made.masks), GROUPS), np.split(vector(made.masks), GROUPS), strict=True)
        reduce = (matrix(made.reduce), vector(made.reduce))
        return reference.gated(one, reduce, list(blocks), matrix(made.linear))
    if kind == "channel":
        excitations = [(matrix(weigh[0]), matrix(weigh[2])) for weigh in made.weights]
        return reference.channel(one, excitations, matrix(made.linear), vector(made.linear))
    shared = matrix(made.shared) if kind == "attentive shared" else None
    return reference.attentive(one, matrix(made.keys), matrix(made.queries), matrix(made.values), shared)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_plain_loops(kind: str) -> None:
    made, values = head(kind), feature_map()
    embedding = made(values)
    assert isinstance(embedding, Embedding)
    for one, parts, whole in zip(values.double().numpy(), embedding.parts, embedding.whole, strict=True):
        expected = [reference.unit(found) for found in in_loops(kind, made, one)]
        np.testing.assert_allclose(parts.detach().numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(whole.detach().numpy(), np.concatenate(expected), atol=1e-5)


@pytest.mark.parametrize(("channels", "groups", "dim"), [(2048, 4, 512), (2048, 3, 512), (1024, 4, 512), (16, 3, 14)])
@pytest.mark.parametrize("kind", KINDS)
def test_parameters(kind: str, channels: int, groups: int, dim: int) -> None:
    with torch.device("meta"):
        made: Any = make_head({**KINDS[kind], "groups": groups, "dim": dim}, channels, (7, 7))
    reduction = 5 if kind == "channel" else 8
    count = sum(parameter.numel() for parameter in made.parameters())
    assert count == reference.parameters(kind, channels, groups, dim, reduction)
    assert made.dim == dim // groups * groups
    assert (made.kind, made.parts) == ("groups", groups)


def test_no_grouping_is_the_plain_head() -> None:
    made = make_head({**NONE, "dim": 512}, 64, (7, 7))
    assert sum(parameter.numel() for parameter in made.parameters()) == reference.parameters("linear", 64, 1, 512, 1)


def test_dimensions_are_split_evenly() -> None:
    made = make_head({"name": "attentive", "groups": 3, "dim": 512}, 64, (2, 2))
    embedding = made(torch.randn(5, 64, 2, 2))
    assert made.dim == 510
    assert embedding.parts.shape == (5, 3, 170)
    assert embedding.whole.shape == (5, 510)
    assert torch.equal(embedding.parts.flatten(1), embedding.whole)
    assert torch.allclose(embedding.parts.norm(dim=2), torch.ones(5, 3))


def test_half_precision_keeps_unit_length() -> None:
    made = head("attentive")
    with torch.autocast("cpu", torch.bfloat16):
        parts = made(feature_map()).parts
    assert parts.dtype == torch.float32
    assert torch.allclose(parts.norm(dim=2), torch.ones(4, GROUPS), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_map_gives_no_nan(kind: str) -> None:
    made, values = head(kind), torch.zeros(1, CHANNELS, *SIZE, requires_grad=True)
    made(values).whole.sum().backward()
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_are_exact(kind: str) -> None:
    made, values = head(kind), feature_map()
    found = contributions(made, values)
    assert found.affinity_error.max() < 1e-4
    torch.testing.assert_close(found.places.sum((1, 2)) + found.bias, found.whole, rtol=0, atol=1e-5)
    # What is left over is not a rest: it is the bias of the one head that has one, and nothing elsewhere.
    bias = torch.zeros(4, GROUPS, made.part_dim)
    if kind == "channel":
        bias += made.linear.bias / made.vectors(values)[0].norm(dim=2, keepdim=True)
    torch.testing.assert_close(found.bias, bias.flatten(1).detach(), rtol=0, atol=1e-5)


def test_contributions_of_attention_are_weighted_values() -> None:
    made, values = head("attentive"), feature_map()
    found = contributions(made, values).places.unflatten(3, (GROUPS, -1))  # (N, h, w, P, d)
    lengths = made.vectors(values)[0].norm(dim=2)  # (N, P)
    weights = made(values).extras["attention"] / lengths[:, :, None, None]
    expected = torch.einsum("nphw,ndhw->nhwpd", weights, made.values(values))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_gates_a_head_is_not_affine(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "gate", lambda value: value)
    assert contributions(head(kind), feature_map()).affinity_error.max() > 1e-2


@pytest.mark.parametrize("kind", ["none", *KINDS])
def test_1_the_order_of_the_places_does_not_count(kind: str) -> None:
    made = make_head(NONE, CHANNELS, SIZE) if kind == "none" else head(kind)
    values = feature_map()
    order = torch.randperm(SIZE[0] * SIZE[1], generator=torch.Generator().manual_seed(1))
    moved = values.flatten(2)[:, :, order].unflatten(2, SIZE)
    before, after = made(values), made(moved)
    torch.testing.assert_close(after.whole, before.whole, rtol=0, atol=1e-6)
    for name, extra in before.extras.items():
        torch.testing.assert_close(after.extras[name].flatten(2), extra.flatten(2)[:, :, order], rtol=0, atol=1e-6)
    assert set(before.extras) == ({"attention"} if kind.startswith("attentive") else set())


def test_2_attention_is_a_distribution() -> None:
    attention = head("attentive")(feature_map()).extras["attention"]
    assert attention.shape == (4, GROUPS, *SIZE)
    assert attention.min() >= 0
    assert attention.max() > 0.2  # not uniform
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(4, GROUPS))


def test_3_zero_queries_are_average_pooling() -> None:
    made, other = head("attentive"), head("multi-linear", dim=DIM)
    nn.init.zeros_(made.queries.weight)
    other.linear.weight.data = made.values.weight.data.flatten(1).repeat(GROUPS, 1)
    found, expected = made(feature_map()), other(feature_map())
    torch.testing.assert_close(found.whole, expected.whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.extras["attention"], torch.full((4, GROUPS, *SIZE), 1 / 12))


def test_4_a_query_is_a_product_with_the_keys() -> None:
    made, values = head("attentive"), feature_map()
    keys, queries = made.keys(values).flatten(2), made.queries.weight.flatten(1)  # (N, K, h w), (P, K)
    expected = (queries @ keys).softmax(dim=2).unflatten(2, SIZE)
    torch.testing.assert_close(made(values).extras["attention"], expected)


def test_5_groups_lie_in_the_hull_of_the_values() -> None:
    made, values = head("attentive"), feature_map()
    vectors = made.vectors(values)[0].detach().double().numpy()
    for each, some in zip(made.values(values).flatten(2).detach().double().numpy(), vectors, strict=True):
        for one in some:
            equations = np.vstack([each, np.ones(each.shape[1])])
            inside = linprog(np.zeros(each.shape[1]), A_eq=equations, b_eq=[*one, 1.0])
            assert inside.status == 0
            outside = linprog(np.zeros(each.shape[1]), A_eq=equations, b_eq=[*(one + 100), 1.0])
            assert outside.status == 2


def test_5_constants_shift_values_and_leave_attention() -> None:
    made, values = head("attentive"), feature_map()
    values[:, 0] = 1  # a channel of ones: what is added to its weights is added to every place
    vectors, extras = made.vectors(values)
    constant = torch.randn(made.part_dim, generator=torch.Generator().manual_seed(2))
    made.values.weight.data[:, 0, 0, 0] += constant
    torch.testing.assert_close(made.vectors(values)[0], vectors + constant, rtol=0, atol=1e-5)
    made.keys.weight.data[:, 0, 0, 0] += 2.0
    torch.testing.assert_close(made.vectors(values)[1]["attention"], extras["attention"], rtol=0, atol=1e-6)


def test_6_pooling_and_values_commute() -> None:
    made, values = head("attentive"), feature_map()
    vectors, extras = made.vectors(values)
    pooled = torch.einsum("nphw,nchw->npc", extras["attention"], values)
    torch.testing.assert_close(functional.linear(pooled, made.values.weight.flatten(1)), vectors, rtol=0, atol=1e-5)


def test_6_identical_queries_are_identical_groups() -> None:
    made = head("attentive")
    made.queries.weight.data = made.queries.weight.data[:1].repeat(GROUPS, 1, 1, 1)
    parts = made(feature_map()).parts
    torch.testing.assert_close(parts, parts[:, :1].expand_as(parts))
    assert DiversityLoss()(parts).item() == pytest.approx(25.0, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_8_the_cosine_is_the_mean_of_the_groups_cosines(kind: str) -> None:
    queries, gallery = head(kind)(feature_map(1, 5)), head(kind)(feature_map(2, 30))
    groups = torch.einsum("npd,mpd->nmp", queries.parts, gallery.parts)  # (5, 30, P)
    cosine = queries.normalized @ gallery.normalized.T
    torch.testing.assert_close(cosine, groups.mean(dim=2), rtol=0, atol=1e-6)
    distance = torch.cdist(queries.whole, gallery.whole)
    assert torch.equal(distance.argsort(dim=1), groups.mean(dim=2).argsort(dim=1, descending=True))


def test_9_masks_of_one_are_no_grouping() -> None:
    made, values = head("gate"), feature_map()
    nn.init.zeros_(made.masks.weight)
    nn.init.ones_(made.masks.bias)
    plain = make_head({**NONE, "dim": made.part_dim}, CHANNELS, SIZE)
    plain.load_state_dict({"layers.0.weight": made.linear.weight})
    for group in made(values).parts.unbind(1):
        torch.testing.assert_close(group, plain(values).normalized, rtol=0, atol=1e-6)


def test_9_channel_weights_of_one_are_no_grouping() -> None:
    made, values = head("channel"), feature_map()
    for weigh in made.weights:
        weigh[3] = nn.Threshold(float("inf"), 1.0)  # instead of the sigmoid: always 1
    plain = make_head({**NONE, "dim": made.part_dim, "bias": True}, CHANNELS, SIZE)
    plain.load_state_dict({"layers.0.weight": made.linear.weight, "layers.0.bias": made.linear.bias})
    for group in made(values).parts.unbind(1):
        torch.testing.assert_close(group, plain(values).normalized, rtol=0, atol=1e-6)


def shifted(padding: str) -> tuple[float, float]:
    """How far attention and embedding of a small trunk are from moving with a picture that moves by one stride."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode=padding),
            nn.ReLU(),
            nn.Conv2d(8, CHANNELS, 3, stride=2, padding=1, padding_mode=padding),
            nn.ReLU(),
        )
        images = torch.randn(4, 3, 32, 32)
    made = head("attentive")
    before, after = made(trunk(images)), made(trunk(images.roll((4, -4), (2, 3))))
    expected = before.extras["attention"].roll((1, -1), (2, 3))
    attention = (after.extras["attention"] - expected).abs().sum((2, 3)).max()  # 2 at most
    cosine = functional.cosine_similarity(before.whole, after.whole)
    return attention.item(), 1 - cosine.min().item()


def test_13_a_shift_by_one_stride_moves_attention_by_one_cell() -> None:
    attention, embedding = shifted("circular")
    assert attention < 1e-5
    assert embedding < 1e-5
    # Zeros around the picture are seen by the cells at its edge: the theorem holds as far as the trunk allows.
    attention, embedding = shifted("zeros")
    assert 0.01 < attention < 1
    assert 1e-5 < embedding < 0.2


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("attentive", {"groups": 0}, ["groups is 0", "at least 1"]),
        ("gate", {"groups": 2.0}, ["groups: 2.0", "whole number"]),
        ("multi-linear", {"dim": 2}, ["dim is 2", "3 groups"]),
        ("channel", {"dim": None}, ["dim: None"]),
        ("attentive", {"groups": True}, ["groups: True"]),
        ("attentive", {"reduction": 17}, ["reduction is 17", "16 channels"]),
        ("channel", {"reduction": 0}, ["reduction is 0"]),
        ("attentive", {"shared_linear": 1}, ["shared_linear: 1", "true or false"]),
        ("multi-linear", {"reduction": 8}, ["'reduction' is not one of its options", "dim, groups"]),
    ],
)
def test_refusals_teach(kind: str, options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        head(kind, **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_built_from_a_seed_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    choice = {**KINDS[kind], "groups": 3, "dim": 32}
    settings = ModelSettings(trunk="test_resnet", size=32, resize=32, head=choice)
    model, again, other = (build_embedder(settings, seed=seed) for seed in (1, 1, 2))
    assert model.digest() == again.digest() != other.digest()
    assert model.dim == 30
    model.save(tmp_path / "model")
    loaded = load_embedder(tmp_path / "model")
    assert loaded.digest() == model.digest()
    images = torch.randn(2, 3, 32, 32)
    vectors = loaded.encode(images)
    np.testing.assert_array_equal(vectors, model.encode(images))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_training_is_not_touched_by_gates() -> None:
    made, values = head("attentive"), feature_map()
    made(values).parts[:, :, 0].sum().backward()
    assert made.queries.weight.grad.abs().max() > 0
    made.zero_grad()
    with gates.frozen_gates():
        made(values).parts[:, :, 0].sum().backward()
    assert made.queries.weight.grad is None
