"""Overall maps by name: equal to the maps of the pair and of the gradients, each picture through the trunk once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Pair
from kinsight.explanation.gradients import grad_cam, gradient_times_activation, similarity_gradient
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.partners import choose_partners
from kinsight.explanation.methods import METHODS, Batch, Method, Partners, chosen_methods, needs_of
from kinsight.models import LinearHead
from planted import Mean, Patches, coloured, scattered

PAIRS = np.array([[0, 3], [1, 2], [4, 0], [2, 2], [0, 1]])


class Counting(nn.Module):
    """A small trunk with signed values that counts the pictures that pass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Conv2d(3, 6, 4, stride=4)
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        return torch.tanh(self.layer(images)) + 0.3


def explainer(pooling: str = "avg", **head: Any) -> Explainer:
    torch.manual_seed(2)
    return Explainer((Counting(), LinearHead(6, (4, 3), dim=5, pooling=pooling, **head)))


def pictures(count: int = 5) -> list[Tensor]:
    return list(torch.randn(count, 3, 16, 12, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    "head",
    [{"pooling": pooling} for pooling in ("avg", "max", "gem", "flatten")] + [{"hidden": [8, 9], "relu": True}],
    ids=lambda head: "-".join(head),
)
def test_decomposition_maps_are_those_of_the_pairs(head: dict[str, Any]) -> None:
    model = explainer(**head)  # behind ReLUs every picture has a bias of its own
    maps = Collection(model, pictures(), chosen_methods(), batch_size=2).maps(PAIRS)
    views = model.views(pictures())
    for row, (query, other) in enumerate(PAIRS):
        pair = Pair(views[query], views[other])
        wanted = {
            "decomposition": pair.overall("query"),
            "decomposition+bias": pair.overall("query", bias=True),
            "decomposition clipped": pair.overall("query", clipped=True),
        }
        for name, values in wanted.items():
            np.testing.assert_allclose(maps[name][row], values, atol=1e-6)
        left = maps["decomposition"][row].sum() + pair.terms.query_bias + pair.terms.other_bias + pair.terms.bias
        assert left == pytest.approx(pair.similarity, abs=1e-5)


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_gradient_maps_are_those_of_the_single_gradients(pooling: str) -> None:
    model = explainer(pooling)
    maps = Collection(model, pictures(), chosen_methods(), batch_size=3).maps(PAIRS)
    images = torch.stack(pictures())
    opened = model.opening(images[PAIRS[:, 0]])
    whole = torch.from_numpy(np.stack([view.whole for view in model.views(pictures())]))[PAIRS[:, 1]]
    for suffix, normalized in (("", True), (" no norm", False)):
        gradient = similarity_gradient(opened, whole, normalized=normalized)
        np.testing.assert_allclose(maps[f"grad-cam{suffix}"], grad_cam(opened, gradient).detach(), atol=1e-6)
        product = gradient_times_activation(opened, gradient).detach()
        np.testing.assert_allclose(maps[f"gradient x activation{suffix}"], product, atol=1e-6)


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_gradient_times_activation_without_norm_is_decomposition_with_bias(pooling: str) -> None:
    """Property 3 of section 10, through the methods by name; the units differ by both norms."""
    model = explainer(pooling)
    collection = Collection(model, pictures(), chosen_methods())
    maps = collection.maps(PAIRS)
    lengths = np.linalg.norm(collection.whole, axis=1)
    scale = (lengths[PAIRS[:, 0]] * lengths[PAIRS[:, 1]])[:, None, None]
    np.testing.assert_allclose(maps["gradient x activation no norm"], scale * maps["decomposition+bias"], atol=1e-5)


def test_without_a_bias_both_decompositions_agree() -> None:
    """Property 7."""
    maps = Collection(explainer(bias=False), pictures(), chosen_methods()).maps(PAIRS)
    np.testing.assert_allclose(maps["decomposition"], maps["decomposition+bias"], atol=1e-7)


def test_clipped_differs_where_terms_are_negative_and_not_elsewhere() -> None:
    signed = Collection(explainer(), pictures(), chosen_methods()).maps(PAIRS)
    assert np.abs(signed["decomposition"] - signed["decomposition clipped"]).max() > 0.01
    images, _ = scattered(5)
    positive = Collection(Explainer((Patches(), Mean())), images, chosen_methods()).maps(PAIRS)
    np.testing.assert_allclose(positive["decomposition"], positive["decomposition clipped"], atol=1e-7)


def test_cam_is_the_sum_of_weighted_channels() -> None:
    weights = np.random.default_rng(0).normal(size=(len(PAIRS), 6)).astype(np.float32)
    model = explainer()
    found = Collection(model, pictures(), chosen_methods("cam", class_weights=True)).maps(PAIRS, class_weights=weights)
    values = model.opening(torch.stack(pictures())).feature_map.numpy()[PAIRS[:, 0]]
    wanted = (weights[:, :, None, None] * values).sum(1) / 12
    np.testing.assert_allclose(found["cam"], wanted, atol=1e-6)


def test_every_picture_passes_the_trunk_once_and_once_more_for_gradients() -> None:
    for names, passes in ((["decomposition", "decomposition clipped"], 5), (["grad-cam", "gradient x activation"], 10)):
        model = explainer()
        Collection(model, pictures(), chosen_methods(names), batch_size=2).maps(PAIRS)
        assert model.opening.modules[0].pictures == passes


def test_what_is_kept_does_not_change_the_maps() -> None:
    """Without room every contribution is computed again."""
    pairs = np.array([[0, 3], [2, 2], [2, 0], [2, 4], [4, 1], [1, 1]])  # batches of kept and unkept, and of one twice
    wanted = Collection(explainer(), pictures(), chosen_methods(), batch_size=2).maps(pairs)
    for memory in (0, 0.0006):
        for names in ("all", ["decomposition", "decomposition clipped"]):
            model = explainer()
            found = Collection(model, pictures(), chosen_methods(names), batch_size=2, memory_mb=memory).maps(pairs)
            for name, values in found.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-6)
            assert model.opening.modules[0].pictures > (11 if names == "all" else 5)


def test_nothing_is_computed_that_no_method_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = explainer()
    monkeypatch.setattr(model, "contributions", lambda _: pytest.fail("contributions of no use"))
    collection = Collection(model, pictures(), chosen_methods("grad-cam"))
    assert collection.maps(PAIRS)["grad-cam"].shape == (5, 4, 3)
    assert needs_of(chosen_methods("decomposition")) == {"contributions"}


def test_the_model_keeps_its_mode_and_its_gradients() -> None:
    model = explainer(batch_norm=True)
    trunk, head = model.opening.modules
    head.train()
    Collection(model, pictures(), chosen_methods()).maps(PAIRS)
    assert head.training
    assert all(parameter.grad is None for part in (trunk, head) for parameter in part.parameters())


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_a_method_says_what_it_lacks(method: Method) -> None:
    with pytest.raises(KinsightError, match="needs the"):
        method.maps(Batch(Partners(torch.ones(2, 5))))


@pytest.mark.parametrize(
    ("names", "message"),
    [("cam", "class_weights"), ("cams", "not known"), (["grad-cam", "grad-cam"], "twice"), ([], "none")],
)
def test_methods_that_cannot_be_had(names: str | list[str], message: str) -> None:
    with pytest.raises(KinsightError, match=message):
        chosen_methods(names)


def test_bad_input_of_a_collection() -> None:
    with pytest.raises(KinsightError, match="0 pictures"):
        Collection(explainer(), [], chosen_methods())
    with pytest.raises(KinsightError, match="one size"):
        Collection(explainer(), [*pictures(1), torch.randn(3, 16, 16)], chosen_methods(), batch_size=1)
    collection = Collection(explainer(), pictures(), chosen_methods())
    for pairs in ([[0, 5]], [[-1, 0]], [0, 1], np.empty((0, 2), int)):
        with pytest.raises(KinsightError, match="rows \\(query, partner\\)"):
            collection.maps(np.array(pairs))
    with pytest.raises(KinsightError, match="do not fit 5 pairs"):
        collection.maps(PAIRS, class_weights=np.ones((4, 6)))
    blank = Collection(Explainer((Patches(), Mean())), [coloured({})] * 5, chosen_methods("decomposition"))
    with pytest.raises(KinsightError, match="zero"):
        blank.maps(PAIRS)


def test_partners() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 1], [0.2, 1]])
    labels = np.array(["a", "b", "a", "b", "b"])
    assert choose_partners("best match", vectors, labels).tolist() == [1, 0, 3, 4, 3]
    assert choose_partners("itself", vectors, labels).tolist() == [0, 1, 2, 3, 4]
    drawn = np.array([choose_partners("random same class", vectors, labels, seed=seed) for seed in range(40)])
    assert (labels[drawn] == labels).all()
    assert (drawn != np.arange(5)).all()
    assert set(drawn[:, 1].tolist()) == {3, 4}
    again = choose_partners("random same class", vectors, labels, seed=7)
    assert again.tolist() == drawn[7].tolist()
    assert choose_partners(np.array([4, 4, 4, 4, 0]), vectors, labels).tolist() == [4, 4, 4, 4, 0]


@pytest.mark.parametrize(
    ("rule", "labels", "message"),
    [
        ("nearest", "aabb", "not known"),
        ("random same class", "aabc", "class b has one picture"),
        (np.array([0, 1, 2, 4]), "aabb", "from 0 to 3"),
        (np.array([0.0, 1, 2, 3]), "aabb", "whole numbers"),
    ],
)
def test_partners_that_cannot_be_had(rule: str | np.ndarray, labels: str, message: str) -> None:
    with pytest.raises(KinsightError, match=message):
        choose_partners(rule, np.eye(4), np.array(list(labels)))
