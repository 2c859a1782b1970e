"""Two processes have the loss and the gradients of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from embeddings import total
from kinsight.objectives import Objective, ObjectiveSettings
from kinsight.processes import gather
from two_processes import SHARES, as_one_of_two, assert_two_equal_one, run_two, share_of

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "contrastive": ({"name": "contrastive"}, {"name": "none"}),
    "triplet": ({"name": "triplet"}, {"name": "semihard"}),
    "margin": ({"name": "margin", "learn_beta": True, "per_class": True}, {"name": "distance-weighted"}),
    "multi-similarity": ({"name": "multi-similarity"}, {"name": "multi-similarity"}),
    "proxy-anchor": ({"name": "proxy-anchor"}, {"name": "none"}),
    "arcface": ({"name": "arcface"}, {"name": "none"}),
    "soft-triple": ({"name": "soft-triple"}, {"name": "none"}),
    "fastap": ({"name": "fastap"}, {"name": "none"}),
    "binomial": ({"name": "binomial"}, {"name": "none"}),
}
BATCH = (24, 6)


def steps(rank: int, cut: int) -> dict[str, np.ndarray]:
    """Loss and gradients of every case over the rows of this process."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(BATCH, generator=generator)
    labels = torch.arange(BATCH[0]) % 5
    share = share_of(rank, cut)
    found = {}
    for case, (loss, miner) in CASES.items():
        trunk: nn.Module = nn.Linear(BATCH[1], 5)
        with torch.no_grad():
            for parameter in trunk.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        if rank >= 0:
            trunk = nn.parallel.DistributedDataParallel(trunk)
        torch.manual_seed(rank + 100)
        objective = Objective(ObjectiveSettings(loss, miner), dim=5, classes=5, seed=3)
        value = total(objective, trunk(pictures[share]), labels[share], seed=11)
        value.backward()
        found[f"{case} loss"] = value.detach().numpy()
        for name, parameter in [*trunk.named_parameters(), *objective.named_parameters()]:
            found[f"{case} {name.removeprefix('module.')}"] = parameter.grad.numpy()
    return found


def process(rank: int, folder: Path) -> None:
    with as_one_of_two(rank, folder) as found:
        for share, cut in SHARES.items():
            found |= {f"{share} {key}": value for key, value in steps(rank, cut).items()}
        (everything, rows), own = gather(torch.full((rank + 1, 2), float(rank)), torch.full((rank + 1,), rank))
        found["order"] = np.array([*everything[:, 0].int().tolist(), *rows.tolist(), own.start, own.stop])


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


def test_both_processes_have_the_very_same_numbers(both: list[dict[str, np.ndarray]]) -> None:
    first, second = both
    for key in first:
        if key != "order":
            np.testing.assert_array_equal(first[key], second[key], err_msg=key)


def test_rows_come_in_the_order_of_the_ranks(both: list[dict[str, np.ndarray]]) -> None:
    assert both[0]["order"].tolist() == [0, 1, 1, 0, 1, 1, 0, 1]
    assert both[1]["order"].tolist() == [0, 1, 1, 0, 1, 1, 1, 3]


def test_one_process_gathers_nothing() -> None:
    share = torch.randn(3, 2)
    (everything,), own = gather(share)
    assert everything is share
    assert own == slice(0, 3)
