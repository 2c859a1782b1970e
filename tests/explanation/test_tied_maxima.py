"""Places that tie for a maximum share its credit evenly: in every head, by every way of computing it, against plain loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.explanation import Explainer, Layout, contributions
from kinsight.explanation.gradients import gradient_times_activation, similarity_gradient
from kinsight.explanation.opening import Opened
from kinsight.explanation.tied_maxima import SharedMaxima
from kinsight.models import LinearHead, make_pooling
from reference.pooling import shared_maximum

CHANNELS, GRID, DIM = 6, (3, 4), 5


def saturated(pictures: int = 2) -> Tensor:
    """A map as ReLU6 leaves it: most channels tie at 6 in several places, one is silent, one has a single maximum."""
    values = 5 * torch.randn(pictures, CHANNELS, *GRID, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values = (values + 3).clamp(0, 6)
    values[:, 0] = 0
    values[:, 1, 1, 2] = 7
    tied = (values == values.amax((2, 3), keepdim=True)).sum((2, 3))
    assert (tied[:, 2:] > 1).any()
    assert (tied[:, 1] == 1).all()
    return values


class Foreign(nn.Module):
    """A head that takes its maximum in one of the ways that people write it."""

    def __init__(self, pooled: Callable[[Tensor], Tensor], average: float = 0.0) -> None:
        super().__init__()
        self.pooled, self.average = pooled, average
        torch.manual_seed(0)
        self.linear = nn.Linear(CHANNELS, DIM).double()

    def forward(self, feature_map: Tensor) -> Tensor:
        pooled = self.pooled(feature_map).flatten(1)
        return self.linear(pooled + self.average * feature_map.mean((2, 3)))


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "AdaptiveMaxPool2d": nn.AdaptiveMaxPool2d(1),
    "AdaptiveMaxPool2d of two": nn.AdaptiveMaxPool2d((1, 1)),
    "with indices": lambda values: functional.adaptive_max_pool2d(values, 1, return_indices=True)[0],
    "max_pool2d": lambda values: functional.max_pool2d(values, values.shape[2:]),
    "MaxPool2d": nn.MaxPool2d(GRID),
    "adaptive_max_pool1d": lambda values: functional.adaptive_max_pool1d(values.flatten(2), 1),
    "max_pool1d": lambda values: functional.max_pool1d(values.flatten(2), 12),
    "amax": lambda values: values.amax((2, 3)),
    "torch.amax": lambda values: torch.amax(values, dim=(2, 3)),
    "max": lambda values: values.flatten(2).max(-1).values,
    "max, kept": lambda values: values.flatten(2).max(dim=2, keepdim=True)[0],
    "torch.max": lambda values: torch.max(values.flatten(2), 2)[0],
    "of places": lambda values: values.flatten(2).transpose(1, 2).max(1)[0],
}


def assert_shared(head: Foreign, found: Tensor, values: Tensor) -> None:
    weight = head.linear.weight.detach().numpy()
    shares = shared_maximum(values.numpy()) + head.average * values.numpy() / 12  # (N, C, h, w)
    np.testing.assert_allclose(found.detach().numpy(), np.einsum("dc,nchw->nhwd", weight, shares), atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 64])
@pytest.mark.parametrize("average", [0.0, 1.0], ids=["max", "avg+max"])
@pytest.mark.parametrize("way", WAYS)
def test_foreign_heads(way: str, average: float, chunk: int) -> None:
    values, head = saturated(), Foreign(WAYS[way], average)
    found = contributions(head, values, chunk=chunk)
    assert_shared(head, found.places, values)
    torch.testing.assert_close(found.places.sum((1, 2)) + found.bias, head(values))
    torch.testing.assert_close(found.bias, head.linear.bias.expand(2, -1))
    assert float(found.affinity_error.max()) < 1e-12


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("pooling", "average"), [("max", 0.0), ("avg+max", 1.0)])
@pytest.mark.parametrize("dim", [DIM, 17])
def test_heads_of_the_package(pooling: str, average: float, fast: bool, dim: int) -> None:
    """Also where the general way goes by place (dim 17) instead of by dimension."""
    torch.manual_seed(0)
    head = LinearHead(CHANNELS, GRID, pooling=pooling, dim=dim).double()
    found = contributions(head, saturated(), fast=fast)
    weight = next(layer for layer in head.layers if isinstance(layer, nn.Linear)).weight.detach().numpy()
    shares = shared_maximum(saturated().numpy()) + average * saturated().numpy() / 12
    np.testing.assert_allclose(found.places.numpy(), np.einsum("dc,nchw->nhwd", weight, shares), atol=1e-12)
    torch.testing.assert_close(found.places.sum((1, 2)) + found.bias, found.whole)


def test_a_mirrored_map_has_the_mirrored_contributions() -> None:
    """What the first place in reading order could not do: no order of places may matter."""
    torch.manual_seed(0)
    head = LinearHead(CHANNELS, GRID, pooling="max", dim=DIM).double()
    there = contributions(head, saturated()).places
    back = contributions(head, saturated().flip(2, 3)).places.flip(1, 2)
    torch.testing.assert_close(there, back)


def test_networks_above_a_finer_map_share_their_ties_too() -> None:
    """The opened map lies below a convolution and ReLU6, whose last map meets the maximum."""
    torch.manual_seed(1)
    rest = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 1), nn.ReLU6(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, DIM)
    )
    rest = rest.double().eval()
    values = 40 * torch.randn(2, 3, *GRID, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    found = contributions(rest, values, layout=Layout())
    above = rest[0](values).detach()
    shares = torch.from_numpy(shared_maximum(np.ones(above.shape), at=above.clamp(0, 6).numpy()))  # 1 / t where tied
    slope = shares * ((above > 0) & (above < 6))  # ReLU6 lets through
    wanted = torch.einsum("ec,nchw,ck,nkhw->nhwe", rest[4].weight, slope, rest[0].weight[..., 0, 0], values)
    torch.testing.assert_close(found.places, wanted.detach())
    torch.testing.assert_close(found.places.sum((1, 2)) + found.bias, rest(values).detach())


def test_gradient_maps_share_as_decomposition_does() -> None:
    """Property 3 with ties: gradient x activation of the inner product is Decomposition+Bias."""
    head, values = Foreign(WAYS["max"]), saturated()
    others = torch.randn(2, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    opened = Opened(values, head, Layout())
    found = gradient_times_activation(opened, similarity_gradient(opened, others, normalized=False))
    wanted = torch.einsum("nhwd,nd->nhw", contributions(head, values).places, others)
    torch.testing.assert_close(found, wanted)


def test_explainers_share() -> None:
    head = Foreign(nn.AdaptiveMaxPool2d(1))
    (view,) = Explainer((nn.Identity(), head)).views([saturated(1)[0]])
    assert_shared(head, torch.from_numpy(view.places[None]), saturated(1))


@pytest.mark.parametrize("pooling", ["max", "avg+max"])
def test_training_is_not_touched(pooling: str) -> None:
    """Outside of explanations the pooling has the derivative it always had: of ties the first place's."""
    values = saturated().requires_grad_()
    make_pooling(pooling, map_size=GRID)(values).sum().backward()
    assert values.grad is not None
    above = values.grad - (1 / 12 if pooling == "avg+max" else 0)
    first = nn.functional.one_hot(values.detach().flatten(2).argmax(2), 12).view_as(values).double()
    torch.testing.assert_close(above, first)


def test_other_maxima_stay_as_they_are() -> None:
    values = torch.randn(2, 3, 6, 6)
    tensors = (values, values.flip(3))
    ways: list[Callable[[], Tensor]] = [
        lambda: torch.max(values),
        lambda: torch.max(*tensors),
        lambda: values.max(),
        lambda: functional.max_pool2d(values, 3, 2, 1),
        lambda: functional.max_pool2d(values, 6, padding=1),
        lambda: functional.adaptive_max_pool2d(values, 2),
        lambda: torch.max(values, 1).indices,
        lambda: functional.adaptive_max_pool2d(values, 1, return_indices=True)[1],
    ]
    for way in ways:
        plain = way()
        with SharedMaxima():
            assert torch.equal(way(), plain)
