"""Two processes have the grouped loss and the gradients of one; run as a script, this file is one of the two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from kinsight.models import make_head
from kinsight.objectives import Objective, ObjectiveSettings
from two_processes import run_two

MARGIN = {"name": "margin", "learn_beta": True, "per_class": True}
CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any] | None]] = {
    "margin": ("attentive", MARGIN, "distance-weighted", {"weight": 0.5}),
    "contrastive": ("multi-linear", {"name": "contrastive"}, "none", {"weight": 0.5, "scale": "code"}),
    "binomial": ("gate", {"name": "binomial"}, "none", {"weight": 0.5}),
    "proxy-anchor": ("channel", {"name": "proxy-anchor"}, "none", None),
}
SHARES = {"even": 12, "uneven": 7, "empty": 24}
CHANNELS, SIZE, GROUPS, CLASSES = 16, (2, 2), 3, 5


def steps(rank: int, cut: int) -> dict[str, np.ndarray]:
    """Loss and gradients of every case; rank 0 holds the first `cut` rows, rank 1 the others, rank -1 all of them."""
    maps = torch.randn(24, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(24) % CLASSES
    share = slice(None) if rank < 0 else slice(0, cut) if rank == 0 else slice(cut, None)
    found = {}
    for case, (kind, loss, miner, diversity) in CASES.items():
        torch.manual_seed(1)
        head: Any = make_head({"name": kind, "groups": GROUPS, "dim": 13}, CHANNELS, SIZE)
        model = nn.parallel.DistributedDataParallel(head) if rank >= 0 else head
        torch.manual_seed(rank + 100)
        settings = ObjectiveSettings(loss, {"name": miner}, diversity)
        objective = Objective(settings, dim=head.dim, classes=CLASSES, seed=3, groups=GROUPS)
        value = objective(model(maps[share]).parts, labels[share], seed=11)
        value.backward()
        found[f"{case} loss"] = value.detach().numpy()
        for name, parameter in [*head.named_parameters(), *objective.named_parameters()]:
            found[f"{case} {name}"] = parameter.grad.numpy()
    return found


def process(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {f"{kind} {key}": value for kind, cut in SHARES.items() for key, value in steps(rank, cut).items()}
    np.savez(folder / f"{rank}.npz", **found)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    return run_two(__file__, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def alone() -> dict[str, np.ndarray]:
    return steps(-1, 0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", SHARES)
def test_two_processes_equal_one(
    case: str, kind: str, both: list[dict[str, np.ndarray]], alone: dict[str, np.ndarray]
) -> None:
    expected = {key: value for key, value in alone.items() if key.startswith(f"{case} ")}
    assert expected[f"{case} loss"] > 0
    for key, value in expected.items():
        assert np.abs(value).max() > 0, key
        for rank in range(2):
            np.testing.assert_allclose(
                both[rank][f"{kind} {key}"], value, rtol=1e-5, atol=1e-5, err_msg=f"{key} {rank}"
            )


def test_every_group_has_parameters_of_its_own(alone: dict[str, np.ndarray]) -> None:
    betas = [value for key, value in alone.items() if key.startswith("margin loss.") and key.endswith(".beta")]
    assert len(betas) == GROUPS
    assert not np.allclose(betas[0], betas[1])


def test_both_processes_have_the_very_same_numbers(both: list[dict[str, np.ndarray]]) -> None:
    first, second = both
    for key in first:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)


if __name__ == "__main__":
    process(int(sys.argv[1]), Path(sys.argv[2]))
