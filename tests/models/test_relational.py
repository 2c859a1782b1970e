"""The relational head: what it computes, its properties by the number that the method's facts give them, and exact contributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.explanation import contributions
from kinsight.models import Embedding, ModelSettings, build_embedder, load_embedder, make_head, relational
from reference import relational as reference

CHANNELS, SIZE, K, DIM = 12, (3, 4), 3, 15
KINDS: dict[str, dict[str, Any]] = {"chunks": {}, "whole": {"encoder": "whole"}}


def head(*, seed: int = 21, learned: bool = True, **options: object) -> Any:
    """A head; `learned` moves every parameter away from where it starts."""
    choice = {"name": "relational", "branches": K, "dim": DIM, **options}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = make_head(choice, CHANNELS, SIZE)
        for parameter in made.parameters() if learned else ():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return made


def feature_map(seed: int = 0, count: int = 6) -> Tensor:
    return torch.rand(count, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(seed))


def layers(made: Any) -> tuple[list[reference.Branch], reference.Layer, reference.Layer]:
    def numbers(layer: Any, *at: int) -> reference.Layer:
        return layer.weight[at].detach().double().numpy(), layer.bias[at].detach().double().numpy()

    each = (made.encoders, made.relations.sources, made.relations.targets, made.decoders)
    branches = [reference.Branch(*(numbers(layer, number) for layer in each)) for number in range(made.parts)]
    return branches, numbers(made.relations.scorer), numbers(made.relations.update)


def gradients(value: Tensor, *inputs: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(value, inputs, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(one) if each is None else each for one, each in zip(inputs, found, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_plain_loops(kind: str) -> None:
    made, values = head(**KINDS[kind]).double().eval(), feature_map(count=9).double()
    found = made(values)
    branches, scorer, update = layers(made)
    assert (found.extras["relations"] == 0).any()  # some branch says nothing to another
    assert kind == "whole" or found.extras["assignment"].unique().numel() > 1
    for row, one in enumerate((values.mean((2, 3)) + values.amax((2, 3))).numpy()):
        given = np.split(one, K) if kind == "chunks" else [one] * K
        expected = reference.relational(given, branches, scorer, update)
        np.testing.assert_allclose(found.parts[row].detach(), expected.nodes, atol=1e-10)
        np.testing.assert_allclose(found.extras["relations"][row].detach(), expected.weights, atol=1e-10)
        np.testing.assert_allclose(found.whole[row].detach(), expected.related.reshape(-1), atol=1e-10)
        np.testing.assert_allclose(found.extras["reconstruction"][row].detach(), expected.costs, atol=1e-6)
        assert found.extras["assignment"][row] == reference.assigned(expected.costs)


def test_without_relations_nodes_stay_as_they_are_and_reconstruct_everything() -> None:
    made, values = head(relations=False).double(), feature_map().double()
    found, pooled = made(values), made.pooling(values)
    given = pooled.unflatten(1, (K, -1))
    for number in range(K):
        node = given[:, number] @ made.encoders.weight[number].T + made.encoders.bias[number]
        torch.testing.assert_close(found.parts[:, number], node)
        decoded = node @ made.decoders.weight[number].T + made.decoders.bias[number]
        cost = (decoded - pooled).square().mean(1)
        torch.testing.assert_close(found.extras["reconstruction"][:, number], cost.float())
    assert torch.equal(found.whole, found.parts.flatten(1))
    assert set(found.extras) == {"reconstruction", "assignment"}


def test_1_it_begins_as_its_nodes() -> None:
    found = head(learned=False)(feature_map())
    torch.testing.assert_close(found.whole, found.parts.flatten(1), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.parts.norm(dim=2), torch.ones(6, K))


def test_2_weights_are_a_distribution_over_sources_or_nothing() -> None:
    made = head().eval()
    weights = made(feature_map(count=40)).extras["relations"]
    assert weights.min() >= 0
    sums = weights.sum(1)
    assert torch.minimum(sums.abs(), (sums - 1).abs()).max() < 1e-6
    scorer = made.relations.scorer
    with torch.no_grad():
        scorer.weight.mul_(3.5)
        scorer.bias.mul_(3.5)
    torch.testing.assert_close(made(feature_map(count=40)).extras["relations"], weights)
    with torch.no_grad():
        scorer.bias.fill_(-100)
    silent = made(feature_map())
    assert not silent.extras["relations"].any()
    silent.whole.sum().backward()
    assert all(torch.isfinite(each.grad).all() for each in made.parameters() if each.grad is not None)


def test_3_branches_may_change_places() -> None:
    made, values = head(), feature_map()
    order = torch.tensor([2, 0, 1])
    other = head()
    other.load_state_dict(
        {
            name: value[order] if len(value) == K and value.ndim > 1 else value
            for name, value in made.state_dict().items()
        }
    )
    moved = values.unflatten(1, (K, -1))[:, order].flatten(1, 2)
    before, after = made(values), other(moved)
    torch.testing.assert_close(after.whole, before.whole.unflatten(1, (K, -1))[:, order].flatten(1))
    torch.testing.assert_close(after.extras["reconstruction"], before.extras["reconstruction"][:, order])
    assert torch.equal(order[after.extras["assignment"]], before.extras["assignment"])


def test_4_where_gradients_go() -> None:
    made, values = head(), feature_map().requires_grad_()
    found = made(values)
    learned = dict(made.named_parameters())
    cost = found.extras["reconstruction"].mean()
    reached = {name for name, each in zip(learned, gradients(cost, *learned.values()), strict=True) if each.any()}
    assert reached == {"decoders.weight", "decoders.bias"}
    assert not gradients(cost, values)[0].any()

    rows = found.extras["assignment"] == 1
    assert 0 < rows.sum() < len(rows)
    encoder, trunk = gradients(found.parts[rows, 1, 0].sum(), made.encoders.weight, values)
    assert [bool(each.any()) for each in encoder] == [False, True, False]
    chunks = trunk.unflatten(1, (K, -1))
    assert chunks[rows, 1].any()
    assert not chunks[~rows].any()
    assert not chunks[:, [0, 2]].any()

    weights = made.relations.weights(made.given(made.pooling(values)))
    edge, trunk = gradients(weights.square().sum(), made.relations.sources.weight, values)
    assert edge.any()
    assert not trunk.any()
    whole = gradients(found.whole[:, 0].sum(), *learned.values())
    reached = {name for name, each in zip(learned, whole, strict=True) if each.any()}
    assert reached == {name for name in learned if not name.startswith("decoders")}


def test_5_each_picture_is_in_one_branch_and_ties_go_to_the_first() -> None:
    made = head()
    found = made(feature_map(count=50))
    counts = torch.bincount(found.extras["assignment"], minlength=K)
    assert counts.sum() == 50
    assert [reference.assigned(row) for row in found.extras["reconstruction"].detach().numpy()] == (
        found.extras["assignment"].tolist()
    )
    with torch.no_grad():
        made.decoders.weight.zero_()
        made.decoders.bias.zero_()
    same = torch.ones(4, CHANNELS, *SIZE)
    assert made(same).extras["assignment"].tolist() == [0] * 4


def test_6_one_branch_is_the_plain_linear_embedding() -> None:
    made = head(branches=1, learned=False).eval()
    plain = make_head({"name": "linear", "dim": DIM, "pooling": "avg+max"}, CHANNELS, SIZE)
    plain.load_state_dict({"layers.0.weight": made.encoders.weight[0], "layers.0.bias": made.encoders.bias[0]})
    found = made(feature_map())
    torch.testing.assert_close(found.whole, plain(feature_map()).normalized)
    heard = found.extras["relations"]
    assert ((heard == 1) | (heard == 0)).all()
    assert found.extras["assignment"].tolist() == [0] * 6


def test_7_what_a_branch_is_told_lies_among_the_nodes() -> None:
    made = head().eval()
    found = made(feature_map(count=40))
    messages = torch.einsum("nij,nid->njd", found.extras["relations"], found.parts)
    assert messages.norm(dim=2).max() <= 1 + 1e-6


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("branches", [1, 3])
@pytest.mark.parametrize("relations", [True, False])
def test_9_pictures_do_not_see_each_other(count: int, branches: int, relations: bool) -> None:
    made = head(branches=branches, relations=relations).eval()
    values = feature_map()
    few, all_of_them = made(values[:count]), made(values)
    assert few.parts.shape == (count, branches, DIM // branches)
    torch.testing.assert_close(few.whole, all_of_them.whole[:count])
    for name, extra in few.extras.items():
        torch.testing.assert_close(extra, all_of_them.extras[name][:count])


def test_pooled_vectors_are_enough() -> None:
    made, values = head(), feature_map()
    assert made.reads == "avg+max"
    one, other = made(values), made.from_pooled(made.pooling(values))
    assert torch.equal(one.whole, other.whole)
    assert head(pooling="gem").reads == "map"


def test_half_precision_keeps_unit_length_and_costs() -> None:
    made = head().eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = made(feature_map())
    torch.testing.assert_close(found.parts.norm(dim=2), torch.ones(6, K), rtol=0, atol=1e-6)
    assert found.extras["reconstruction"].dtype == found.extras["relations"].dtype == torch.float32
    sums = found.extras["relations"].sum(1)
    assert torch.minimum(sums.abs(), (sums - 1).abs()).max() < 1e-6


def test_maps_of_zeros_give_no_nan() -> None:
    made, values = head(learned=False), torch.zeros(2, CHANNELS, *SIZE, requires_grad=True)
    found: Embedding = made(values)
    (found.whole.sum() + found.extras["reconstruction"].sum()).backward()
    assert torch.isfinite(values.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("pooling", ["avg", "max", "avg+max", "gem"])
@pytest.mark.parametrize("options", [{}, {"encoder": "whole"}, {"relations": False}])
def test_contributions_are_exact_and_the_fast_way_is_the_slow_one(pooling: str, options: dict[str, Any]) -> None:
    made, values = head(pooling=pooling, **options).double(), feature_map(count=3).double()
    fast, slow = contributions(made, values), contributions(made, values, fast=False)
    assert fast.affinity_error.max() < 1e-10
    torch.testing.assert_close(fast.places.sum((1, 2)) + fast.bias, fast.whole, rtol=0, atol=1e-10)
    torch.testing.assert_close(fast.places, slow.places, rtol=0, atol=1e-10)
    torch.testing.assert_close(fast.bias, slow.bias, rtol=0, atol=1e-10)


def test_without_its_gates_it_is_not_affine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relational, "gate", lambda value: value)
    assert contributions(head(), feature_map()).affinity_error.max() > 1e-2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"branches": 5}, ["branches is 5", "12 pooled numbers", "write 4", "encoder whole"]),
        ({"branches": 0}, ["branches is 0", "at least 1"]),
        ({"branches": True}, ["branches: True"]),
        ({"dim": 2}, ["dim is 2", "3 branches need a number each"]),
        ({"encoder": "figure"}, ["encoder is 'figure'", "chunks, whole"]),
        ({"relations": 1}, ["relations: 1", "true or false"]),
        ({"groups": 4}, ["'groups' is not one of its options", "branches"]),
    ],
)
def test_refusals_teach(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        head(**options)
    for word in words:
        assert word in str(caught.value)


def test_built_from_a_seed_saved_and_loaded(tmp_path: Path) -> None:
    choice = {"name": "relational", "branches": 4, "dim": 34}
    settings = ModelSettings(trunk="test_resnet", size=32, resize=32, head=choice)
    model, again, other = (build_embedder(settings, seed=seed) for seed in (1, 1, 2))
    assert model.digest() == again.digest() != other.digest()
    assert (model.dim, model.kind, model.parts, model.groups, model.unit_groups) == (32, "nodes", 4, 4, 1)
    model.save(tmp_path / "model")
    images = torch.randn(2, 3, 32, 32)
    np.testing.assert_array_equal(load_embedder(tmp_path / "model").encode(images), model.encode(images))
