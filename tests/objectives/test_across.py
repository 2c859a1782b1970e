"""Losses across two streams: pictures of one among all pictures of the other, both ways."""

import math

import pytest
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.models import Embedding
from kinsight.objectives import LOSSES, Objective
from kinsight.objectives.weighted_soft_margin import WeightedSoftMargin
from kinsight.settings.objective import ObjectiveSettings

CLASSES, DIM = 6, 8
LABELS = torch.arange(CLASSES).repeat_interleave(2)
STREAM = torch.tensor([0, 1] * CLASSES)
_PROXIES = ("proxy-nca", "proxy-anchor", "norm-softmax", "cosface", "arcface", "soft-triple")


def embedding(seed: int = 0) -> Embedding:
    whole = torch.randn(2 * CLASSES, DIM, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    return Embedding.single(whole, stream=STREAM)


def objective(loss: dict, *, miner: str = "none", streams: int = 2, terms: dict | None = None) -> Objective:
    settings = ObjectiveSettings(loss=loss, miner={"name": miner}, terms=terms)
    return Objective(settings, dim=DIM, classes=CLASSES, streams=streams, normalize=True)


def value(loss: dict, given: Embedding, **options: object) -> Tensor:
    return objective(loss, **options)(given, LABELS, seed=1).total


def plain_soft_margin(one: Tensor, other: Tensor, alpha: float) -> float:
    """Both ways, triplet by triplet: row i of one and of the other are a pair."""
    one, other = (torch.nn.functional.normalize(each.double(), dim=1) for each in (one, other))
    found = []
    for anchors, among in ((one, other), (other, one)):
        for i in range(len(anchors)):
            for j in range(len(among)):
                if i != j:
                    near, far = ((anchors[i] - among[k]).pow(2).sum().item() for k in (i, j))
                    found.append(math.log(1 + math.exp(alpha * (near - far))))
    return sum(found) / len(found)


@pytest.mark.parametrize("alpha", [10.0, 1.0])
def test_the_weighted_soft_margin_sees_every_negative_both_ways(alpha: float):
    given = embedding()
    expected = plain_soft_margin(given.whole[STREAM == 0].detach(), given.whole[STREAM == 1].detach(), alpha)
    found = value({"name": "weighted-soft-margin", "alpha": alpha}, given)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_default_is_the_papers():
    assert LOSSES["weighted-soft-margin"].defaults == {"alpha": 10.0}


def test_within_one_stream_it_is_a_triplet_loss_of_the_batch():
    torch.manual_seed(0)
    vectors, labels = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    unit = torch.nn.functional.normalize(vectors, dim=1)
    terms = []
    for a in range(6):
        for p in range(6):
            for n in range(6):
                if a != p and labels[a] == labels[p] != labels[n]:
                    gap = (unit[a] - unit[p]).pow(2).sum() - (unit[a] - unit[n]).pow(2).sum()
                    terms.append(torch.nn.functional.softplus(3 * gap))
    assert WeightedSoftMargin(3)(vectors, labels).item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-5)
    assert WeightedSoftMargin()(vectors, torch.arange(6)) == 0


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("n-pairs", "fastap", *_PROXIES)])
@pytest.mark.parametrize("miner", ["none", "distance-weighted", "multi-similarity"])
def test_no_picture_is_compared_within_its_stream(name: str, miner: str):
    given = embedding()
    # With two street pictures left, an aerial one may feel these and itself (and the snr the mean of a vector), and no other.
    few = (STREAM == 1) | (torch.arange(2 * CLASSES) < 4)
    alone = Embedding.single(given.whole[few], stream=STREAM[few])
    total = objective({"name": name}, miner=miner)(alone, LABELS[few], seed=1).total
    (gradient,) = torch.autograd.grad(total, given.whole)
    assert gradient.abs().max() > 0
    for row in (STREAM == 1).nonzero().flatten().tolist():
        felt = torch.stack([*given.whole[[0, 2, row]], torch.ones(DIM)], dim=1).detach()  # (D, 4)
        left = gradient[row] - felt @ torch.linalg.lstsq(felt, gradient[row].unsqueeze(1)).solution.squeeze(1)
        assert left.abs().max() < 1e-5 * gradient.abs().max()


@pytest.mark.parametrize("name", _PROXIES)
def test_proxies_see_all_pictures_alike(name: str):
    given = embedding()
    across = objective({"name": name})
    whole = objective({"name": name}, streams=1)
    assert across(given, LABELS, seed=1).total == whole(given, LABELS, seed=1).total


@pytest.mark.parametrize("name", ["n-pairs", "fastap"])
def test_a_loss_of_one_batch_alone_is_refused_across(name: str):
    with pytest.raises(KinsightError, match="cannot compare two"):
        objective({"name": name})
    assert value({"name": name}, embedding(), terms={"across": 0, "whole": 1}).isfinite()


def test_terms_add_up():
    given, loss = embedding(), {"name": "weighted-soft-margin"}
    across, whole = (value(loss, given, terms=terms) for terms in ({}, {"across": 0, "whole": 1}))
    both = value(loss, given, terms={"whole": 0.5})
    assert both.item() == pytest.approx((across + 0.5 * whole).item(), rel=1e-6)


def test_one_stream_has_nothing_across():
    lone = Embedding.single(embedding().whole)
    with pytest.raises(KinsightError, match="this model has one"):
        value({"name": "margin"}, lone, streams=1, terms={"across": 1})


def test_a_batch_of_one_view_costs_nothing():
    given = Embedding.single(embedding().whole, stream=torch.zeros_like(STREAM))
    for name in ("weighted-soft-margin", "triplet", "margin", "multi-similarity"):
        total = objective({"name": name})(given, LABELS, seed=1).total
        assert total == 0, name
        total.backward()
