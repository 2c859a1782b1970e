"""Poolings against plain loops, and what explanations need of them."""

import numpy as np
import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.models import make_pooling
from kinsight.models.pooling import POOLINGS, pooled_channels
from reference.pooling import pool

SIZE = (3, 4)


def feature_map(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 5, *SIZE, generator=torch.Generator().manual_seed(seed))  # (N, C, h, w)


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_equals_plain_loops(name: str):
    values = feature_map()
    pooled = make_pooling(name, map_size=SIZE)(values)
    assert pooled.shape == (2, pooled_channels(name, 5, SIZE))
    np.testing.assert_allclose(pooled.detach().numpy(), pool(name, values.numpy()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["avg", "max", "avg+max", "gem"])
def test_only_flatten_depends_on_the_map_size(name: str):
    pooled = make_pooling(name, map_size=(7, 7))(feature_map())
    assert pooled.shape == (2, 5)


def test_flatten_refuses_another_map_size():
    with pytest.raises(KinsightError, match="built for a 7x7 feature map and was given 3x4"):
        make_pooling("flatten", map_size=(7, 7))(feature_map())


def test_flatten_runs_through_a_channel_before_the_next():
    values = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert torch.equal(make_pooling("flatten", map_size=SIZE)(values)[0], torch.arange(24.0))


def test_generalised_mean_lies_between_average_and_maximum_and_learns():
    values = feature_map().abs()
    pooling = make_pooling("gem", map_size=SIZE)
    pooled = pooling(values)
    assert (pooled > values.mean(dim=(2, 3))).all()
    assert (pooled < values.amax(dim=(2, 3))).all()
    pooled.sum().backward()
    (power,) = pooling.parameters()
    assert power.item() == 3
    assert power.grad is not None
    assert power.grad.abs() > 0


def test_generalised_mean_survives_half_precision():
    # 0.001 cubed is 0 in float16; the pooled value must not be.
    pooled = make_pooling("gem", map_size=SIZE)(torch.full((1, 2, *SIZE), 1e-3, dtype=torch.float16))
    assert pooled.dtype == torch.float16
    assert torch.allclose(pooled.float(), torch.full((1, 2), 1e-3), rtol=1e-2)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KinsightError, match=r"'mean' is not a known pooling; choose avg, max, avg\+max, gem, flatten"):
        make_pooling("mean", map_size=SIZE)
