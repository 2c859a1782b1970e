"""The head of coordinated local projections against its definition, how it begins, and its exact maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.explanation import contributions
from kinsight.models import make_head
from reference import coordinated as reference

CHANNELS, SIZE = 8, (3, 4)


def head(fitted: bool = True, trained: bool = True, **options: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        choice = {"name": "coordinated", "dim": 5, "components": 3, "projected": 6, **options}
        made: Any = make_head(choice, CHANNELS, SIZE)
        if fitted:
            made.fit(made.pooling(feature_map(1, 60)).detach().numpy(), np.zeros(60, int), 0)
        if trained:
            made.projections.data += 0.3 * torch.randn_like(made.projections)
            made.biases.data += torch.randn_like(made.biases)
    return made.eval()


def feature_map(seed: int = 0, count: int = 4) -> Tensor:
    maps = torch.randn(count, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(seed))
    return maps + torch.arange(count)[:, None, None, None] % 3  # three clusters, so that assignments differ


def values(made: Any) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in made.state_dict().items()}


@pytest.mark.parametrize("fitted", [True, False])
def test_it_is_the_mean_of_local_projections_weighed_by_the_mixture(fitted: bool) -> None:
    made = head(fitted)
    maps = feature_map()
    found = made(maps)
    for one, whole, shares in zip(maps, found.whole, found.extras["assignment"], strict=True):
        map_values = one.double().numpy()
        np.testing.assert_allclose(whole.detach(), reference.embedding(map_values, values(made)), atol=1e-4)
        assert float(shares.sum()) == pytest.approx(1, abs=1e-6)
    assert (found.extras["assignment"].std(0) > 0.01).any() == fitted


def test_it_begins_as_the_leading_principal_components() -> None:
    made = head(trained=False)
    vectors = made.pooling(feature_map(1, 60)).double().numpy()
    directions = values(made)["directions"]
    np.testing.assert_allclose(directions.T @ directions, reference.principal_plane(vectors, 6), atol=1e-5)
    maps = feature_map()
    centred = maps.mean((2, 3)) - torch.from_numpy(vectors.mean(0)).float()
    torch.testing.assert_close(made(maps).whole.detach(), centred @ made.directions[:5].T, atol=1e-5, rtol=0)


def test_a_picture_teaches_the_projections_of_its_components_alone_and_the_map() -> None:
    made = head()
    maps = feature_map().requires_grad_()
    found = made(maps)
    found.whole[0].square().sum().backward()
    shares = found.extras["assignment"][0].detach()
    sizes = made.projections.grad.flatten(1).norm(dim=1)
    assert shares.max() > 0.9 > 0.1 > shares.min()
    torch.testing.assert_close(sizes / sizes.max(), shares / shares.max(), atol=1e-5, rtol=0)
    assert maps.grad is not None
    assert (maps.grad[0] != 0).any()


@pytest.mark.parametrize("pooling", ["avg", "max", "avg+max", "gem"])
def test_its_maps_are_exact_and_complete_with_the_assignments_as_gates(pooling: str) -> None:
    made, maps = head(pooling=pooling), feature_map()
    fast, slow = (contributions(made, maps, fast=each) for each in (True, False))
    assert float(fast.affinity_error.max()) < 1e-5
    torch.testing.assert_close(fast.places.sum((1, 2)) + fast.bias, fast.whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast.places, slow.places, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast.bias, slow.bias, atol=1e-5, rtol=1e-5)


def test_projections_that_have_learned_keep_their_space() -> None:
    made = head()
    before = values(made)
    made.fit(made.pooling(feature_map(2, 60)).detach().numpy(), np.zeros(60, int), 0)
    assert all(np.array_equal(value, before[name]) for name, value in values(made).items())
    assert made.fitted
    assert not head(fitted=False).fitted


def test_the_same_pictures_and_seed_fit_the_same_head() -> None:
    one, other = head().state_dict(), head().state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"projected": 9}, "projected is 9 but only 8 numbers are pooled; write at most that"),
        ({"components": 0}, "option components is 0"),
        ({"dropout": 1}, "option dropout is 1"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(KinsightError, match=words):
        head(fitted=False, **options)
