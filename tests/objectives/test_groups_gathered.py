"""Two processes have the grouped loss and the gradients of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kinsight.models import make_head
from kinsight.objectives import Objective, ObjectiveSettings
from two_processes import SHARES, as_one_of_two, assert_two_equal_one, run_two, share_of

MARGIN = {"name": "margin", "learn_beta": True, "per_class": True}
CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any] | None]] = {
    "margin": ("attentive", MARGIN, "distance-weighted", {"weight": 0.5}),
    "contrastive": ("multi-linear", {"name": "contrastive"}, "none", {"weight": 0.5, "scale": "code"}),
    "binomial": ("gate", {"name": "binomial"}, "none", {"weight": 0.5}),
    "proxy-anchor": ("channel", {"name": "proxy-anchor"}, "none", None),
}
CHANNELS, SIZE, GROUPS, CLASSES = 16, (2, 2), 3, 5


def steps(rank: int, cut: int) -> dict[str, np.ndarray]:
    """Loss and gradients of every case over the rows of this process."""
    maps = torch.randn(24, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(24) % CLASSES
    share = share_of(rank, cut)
    found = {}
    for case, (kind, loss, miner, diversity) in CASES.items():
        torch.manual_seed(1)
        head: Any = make_head({"name": kind, "groups": GROUPS, "dim": 13}, CHANNELS, SIZE)
        model = nn.parallel.DistributedDataParallel(head) if rank >= 0 else head
        torch.manual_seed(rank + 100)
        settings = ObjectiveSettings(loss, {"name": miner}, diversity)
        objective = Objective(settings, dim=head.dim, classes=CLASSES, kind="groups", parts=GROUPS, seed=3)
        value = objective(model(maps[share]), labels[share], seed=11).total
        value.backward()
        found[f"{case} loss"] = value.detach().numpy()
        for name, parameter in [*head.named_parameters(), *objective.named_parameters()]:
            found[f"{case} {name}"] = parameter.grad.numpy()
    return found


def process(rank: int, folder: Path) -> None:
    with as_one_of_two(rank, folder) as found:
        for share, cut in SHARES.items():
            found |= {f"{share} {key}": value for key, value in steps(rank, cut).items()}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    return run_two(process, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def alone() -> dict[str, np.ndarray]:
    return steps(-1, 0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("share", SHARES)
def test_two_processes_equal_one(
    case: str, share: str, both: list[dict[str, np.ndarray]], alone: dict[str, np.ndarray]
) -> None:
    assert_two_equal_one(case, share, both, alone)


def test_every_group_has_parameters_of_its_own(alone: dict[str, np.ndarray]) -> None:
    betas = [value for key, value in alone.items() if key.startswith("margin terms.parts.") and key.endswith(".beta")]
    assert len(betas) == GROUPS
    assert not np.allclose(betas[0], betas[1])


def test_both_processes_have_the_very_same_numbers(both: list[dict[str, np.ndarray]]) -> None:
    first, second = both
    for key in first:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)
