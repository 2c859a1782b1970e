"""CAM and Grad-CAM against plain formulas, and the algebra between them and decomposition (section 4.3, A.4, A.5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foreign.networks import resnet, swin, vision_transformer
from kinsight.errors import KinsightError
from kinsight.explanation import Layout, Opened, open_model
from kinsight.explanation.gradients import (
    class_activation_map,
    grad_cam,
    gradient_times_activation,
    similarity_gradient,
)
from kinsight.models import LinearHead
from made_pairs import CHANNELS, GRID, HEADS, head_of, maps, opened, views, wholes
from reference.contributions import (
    class_grad_cam,
    cosine_grad_cam,
    cosine_gradient_times_activation,
    jacobian_of_normalisation,
    matrices,
    split,
)


def partners(head: Any) -> Tensor:
    return torch.from_numpy(wholes(head, maps(2, seed=9)))


def near(found: Any, wanted: Any, tolerance: float = 1e-12) -> bool:
    return np.allclose(np.asarray(found), np.asarray(wanted), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", HEADS)
def test_maps_of_the_cosine_are_equations_5_and_10_to_13(name: str) -> None:
    head, others = head_of(name), partners(head_of(name))
    at = opened(head, maps())
    gradient = similarity_gradient(at, others)
    cams, products = grad_cam(at, gradient).numpy(), gradient_times_activation(at, gradient).numpy()
    for n, one in enumerate(maps().numpy()):
        W, B = matrices(head, one)
        assert near(cams[n], cosine_grad_cam(W, B, one, others[n].numpy()))
        assert near(products[n], cosine_gradient_times_activation(W, B, one, others[n].numpy()))
        if HEADS[name]["pooling"] == "avg":
            assert near(cams[n], products[n])
        else:
            assert not near(cams[n], products[n], 1e-3)


def test_the_jacobian_of_normalisation_is_equation_13() -> None:
    embedding = np.random.default_rng(0).normal(size=6)
    found = jacobian_of_normalisation(embedding)
    wanted = torch.autograd.functional.jacobian(lambda given: given / given.norm(), torch.from_numpy(embedding))
    assert near(found, wanted)
    assert near(found, found.T)
    assert near(found @ embedding, 0)
    assert np.linalg.matrix_rank(found) == 5


def test_grad_cam_of_a_flattened_classifier_is_equation_4_and_not_its_decomposition() -> None:
    head = head_of("flatten", bias=False)
    at, one = opened(head, maps()[:1]), maps()[0].numpy()
    W, _ = matrices(head, one)
    for number in range(3):
        unit = torch.zeros(1, 8, dtype=torch.float64)
        unit[0, number] = 1  # the inner product with it is the score of a class
        gradient = similarity_gradient(at, unit, normalized=False)
        cam = grad_cam(at, gradient)[0].numpy()
        decomposition = split(W, one)[:, :, number]
        assert near(cam, class_grad_cam(W, one, number))
        assert near(gradient_times_activation(at, gradient)[0], decomposition)
        assert np.corrcoef(cam.ravel(), decomposition.ravel())[0, 1] < 0.9
        assert cam.sum() != pytest.approx(decomposition.sum(), abs=1e-3)


def test_grad_cam_of_a_maximum_is_equation_9_and_scattered() -> None:
    head = head_of("maximum", bias=False)
    at, one = opened(head, maps()[:1]), maps()[0].numpy()
    weight = head.layers[0].weight.detach().numpy()
    unit = torch.zeros(1, 8, dtype=torch.float64)
    unit[0, 2] = 1
    gradient = similarity_gradient(at, unit, normalized=False)
    scattered = np.einsum("khw,k->hw", one, weight[2]) / 12
    assert near(grad_cam(at, gradient)[0], scattered)
    mask = one == one.max((1, 2), keepdims=True)  # the M of equation 8
    assert near(gradient_times_activation(at, gradient)[0], np.einsum("khw,k->hw", one * mask, weight[2]))
    assert (scattered != 0).all()
    assert (gradient_times_activation(at, gradient)[0] != 0).sum() <= CHANNELS


def test_on_average_pooling_all_class_maps_are_cam() -> None:
    """Equation 1: the classifier's weights on the map, divided by the number of places."""
    head = head_of("average", bias=False)
    weight = head.layers[0].weight.detach()
    at, classes = opened(head, maps()), torch.tensor([3, 5])
    cam = class_activation_map(at, weight[classes])
    for n, number in enumerate(classes.tolist()):
        wanted = [[weight[number] @ maps()[n, :, i, j] / 12 for j in range(GRID[1])] for i in range(GRID[0])]
        assert near(cam[n], wanted)
    assert near(cam.sum((1, 2)), wholes(head, maps())[[0, 1], classes])
    gradient = similarity_gradient(at, nn.functional.one_hot(classes, 8).double(), normalized=False)
    assert near(grad_cam(at, gradient), cam)
    assert near(gradient_times_activation(at, gradient), cam)
    contributions = np.stack([view.places for view in views(head, maps())])
    assert near(cam, contributions[[0, 1], :, :, classes])


def test_normalising_changes_the_map_and_not_only_its_scale() -> None:
    """Section 4.3: the gradient of the cosine takes the own embedding out, so that the map nearly cancels."""
    head = head_of("average", bias=False)
    at, others = opened(head, maps()), partners(head)
    plain = grad_cam(at, similarity_gradient(at, others, normalized=False))
    cosine = grad_cam(at, similarity_gradient(at, others))
    assert near(cosine.sum((1, 2)), 0)
    assert (plain.sum((1, 2)).abs() > 0.01).all()
    assert (cosine < 0).any()
    assert abs(np.corrcoef(plain[0].flatten(), cosine[0].flatten())[0, 1]) < 0.999


def test_gradients_do_not_add_up_over_calls_and_leave_nothing_behind() -> None:
    model = resnet().double()
    at = open_model(model, layer="layer3")(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    others = torch.randn(2, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    first = similarity_gradient(at, others)
    plain = similarity_gradient(at, others, normalized=False)
    assert torch.equal(similarity_gradient(at, others), first)
    assert torch.equal(similarity_gradient(at, others, normalized=False), plain)
    assert at.feature_map.grad is None
    assert not at.feature_map.requires_grad
    assert all(value.grad is None for value in model.parameters())
    assert not any(module._forward_hooks or "forward" in vars(module) for module in model.modules())
    assert model.training


def test_gradients_of_a_picture_do_not_depend_on_its_batch() -> None:
    head, others = head_of("ReLU"), partners(head_of("ReLU"))
    both = similarity_gradient(opened(head, maps()), others)
    alone = similarity_gradient(opened(head, maps()[1:]), others[1:])
    assert near(both[1], alone[0])


def test_heads_are_in_eval_mode_and_may_work_in_place() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(
        nn.LeakyReLU(0.3, inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.BatchNorm1d(6)
    )
    head.double()
    given = maps()
    found = similarity_gradient(Opened(given, head, Layout()), torch.ones(2, 6), normalized=False)
    slope = torch.where(maps() > 0, 1.0, 0.3).double() / 12 / (1 + 1e-5) ** 0.5
    assert near(found, slope, 1e-8)
    assert torch.equal(given, maps())
    assert head.training


@pytest.mark.parametrize(("make", "layer"), [(swin, "layers.0"), (vision_transformer, "blocks.1")])
def test_other_axes_have_their_places_where_they_belong(make: Any, layer: str) -> None:
    at = open_model(make().double(), layer=layer)(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    gradient = similarity_gradient(at, torch.ones(2, 8))
    assert gradient.shape == at.feature_map.shape
    tokens = at.feature_map.flatten(1, -2)  # (N, L, C), class token first where there is one
    changes = gradient.flatten(1, -2)
    first = tokens.shape[1] - 16 if at.layout.kind == "tokens" else 0
    places, mean = tokens[:, first:], changes[:, first:].mean(1)
    height, width = at.layout.size(at.feature_map)
    assert height * width == places.shape[1]
    assert near(grad_cam(at, gradient).flatten(1), torch.einsum("nlc,nc->nl", places, mean))
    assert near(gradient_times_activation(at, gradient).flatten(1), (places * changes[:, first:]).sum(-1))
    assert near(class_activation_map(at, mean).flatten(1), torch.einsum("nlc,nc->nl", places, mean) / (height * width))


def test_partners_and_weights_must_fit() -> None:
    head = LinearHead(CHANNELS, GRID, dim=8).double()
    with pytest.raises(KinsightError, match=r"have the shape \(1, 8\); give one for each picture, \(2, 8\)"):
        similarity_gradient(opened(head, maps()), torch.zeros(1, 8))
    with pytest.raises(KinsightError, match=r"the weights have the shape \(6,\); give one number a channel .*\(2, 6\)"):
        class_activation_map(opened(head, maps()), torch.zeros(6))
