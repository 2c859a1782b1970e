"""The diversity loss: its values, scales and gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.objectives import DiversityLoss
from kinsight.objectives.diversity import build_diversity
from reference import grouping as reference


def parts(groups: int, seed: int = 0) -> torch.Tensor:
    """Groups at all angles, of any length."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(6, 1, 5, generator=generator)
    return common + torch.randn(6, groups, 5, generator=generator)


def at_cosine(cosine: float) -> torch.Tensor:
    other = [cosine, math.sqrt(1 - cosine**2)]
    return torch.tensor([[[1.0, 0.0], other]], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("options", [{}, {"alpha": 1.0, "mu": 0.2, "beta0": 4.0}])
@pytest.mark.parametrize("scale", ["paper", "code"])
@pytest.mark.parametrize("groups", [2, 3, 4])
def test_equal_to_plain_loops(groups: int, scale: str, options: dict[str, float]) -> None:
    vectors = parts(groups)
    expected = reference.diversity(vectors.double().numpy(), scale, **options)
    assert expected > 0.1
    assert float(DiversityLoss(scale=scale, **options)(vectors)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("cosine", "value"), [(1.0, 25.0), (0.5, math.log(2)), (0.0, math.log1p(math.exp(-25)))])
def test_values_of_the_facts(cosine: float, value: float) -> None:
    assert DiversityLoss()(at_cosine(cosine)).item() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("groups", [2, 3, 4, 5])
def test_7_the_code_has_half_the_groups_times_the_paper(groups: int) -> None:
    vectors = parts(groups)
    paper, code = (float(DiversityLoss(scale=scale)(vectors)) for scale in ("paper", "code"))
    assert code == pytest.approx(groups / 2 * paper, rel=1e-6)


def test_7_only_similar_groups_are_pushed() -> None:
    sizes = []
    for cosine in (0.9, 0.5, 0.0, -0.5, -0.999):
        vectors = at_cosine(cosine)
        DiversityLoss()(vectors).backward()
        sizes.append(float(vectors.grad.norm()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 10
    assert sizes[2] < 1e-9
    assert sizes[-1] < 1e-30


def test_7_the_order_of_the_groups_does_not_count() -> None:
    vectors = parts(4)
    loss = DiversityLoss()
    torch.testing.assert_close(loss(vectors[:, [2, 0, 3, 1]]), loss(vectors))


@pytest.mark.parametrize("shape", [(6, 1, 5), (0, 3, 5)])
def test_7_one_group_or_no_picture_costs_nothing(shape: tuple[int, int, int]) -> None:
    vectors = torch.randn(shape, requires_grad=True)
    value = DiversityLoss()(vectors)
    value.backward()
    assert value.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_it_pulls_groups_apart() -> None:
    vectors = parts(3).requires_grad_()
    optimizer, loss = torch.optim.SGD([vectors], lr=0.05), DiversityLoss()
    before = loss(vectors).detach().item()
    for _ in range(100):
        optimizer.zero_grad()
        loss(vectors).backward()
        optimizer.step()
    assert loss(vectors).detach().item() < 0.1 * before


def test_none_is_none() -> None:
    assert build_diversity(None) is None
    made = build_diversity({"weight": 0.02, "scale": "code"})
    assert made is not None
    assert (made.weight, made.scale, made.alpha, made.mu, made.beta0) == (0.02, "code", 2.0, 0.5, 25.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wait": 0.1}, ["'wait' is not one of its options", "alpha, beta0, mu, scale, weight"]),
        ({"scale": "mean"}, ["scale is 'mean'", "paper, code"]),
        ({"weight": -1}, ["weight is -1", "at least 0"]),
        ({"weight": "1e-2"}, ["weight: '1e-2'", "a number"]),
        ({"alpha": float("nan")}, ["alpha: nan", "a number"]),
        ({"beta0": True}, ["beta0: True"]),
        ({"mu": 2}, ["mu is 2", "from -1 to 1"]),
        (0.02, ["0.02 does not name a diversity", "mapping"]),
    ],
)
def test_refusals_teach(options: Any, words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        build_diversity(options)
    for word in words:
        assert word in str(caught.value)
