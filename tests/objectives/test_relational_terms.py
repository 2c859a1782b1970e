"""The relational objective: each branch on the pictures assigned to it, the whole on all, the decoders beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.models import make_head
from kinsight.objectives import Objective, ObjectiveSettings
from kinsight.objectives.losses import LOSSES
from two_processes import SHARES, as_one_of_two, assert_two_equal_one, run_two, share_of

CHANNELS, SIZE, K, DIM, CLASSES, N = 12, (2, 2), 3, 12, 5, 24
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "triplet": ({"name": "triplet", "margin": 0.5}, "none"),
    "weighted": ({"name": "triplet", "margin": 0.5}, "distance-weighted"),
    "hard": ({"name": "triplet", "margin": 0.5}, "hard"),
    "margin": ({"name": "margin", "learn_beta": True, "per_class": True}, "distance-weighted"),
    **{name: ({"name": name}, "none") for name in LOSSES if name not in ("triplet", "margin")},
}
WEIGHTS = {"assigned": 1.0, "whole": 10.0, "reconstruction": 1.0}


def made_head(branches: int = K) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        head: Any = make_head({"name": "relational", "branches": branches, "dim": DIM}, CHANNELS, SIZE)
        for parameter in head.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return head


def made_objective(case: str, head: Any, terms: dict[str, float] | None = None) -> Objective:
    loss, miner = CASES[case]
    return Objective(
        ObjectiveSettings(loss, {"name": miner}, None, terms),
        dim=head.dim,
        classes=CLASSES,
        kind=head.kind,
        parts=head.parts,
        part_dim=head.part_dim,
        normalize=True,
        seed=3,
        brings=[head.terms],
    )


def maps() -> Tensor:
    return torch.rand(N, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()


LABELS = torch.arange(N) % CLASSES


def test_the_total_is_that_of_equation_13() -> None:
    head = made_head()
    objective = made_objective("triplet", head, WEIGHTS)
    embedding = head(maps())
    losses = objective(embedding, LABELS, seed=0)
    assignment = embedding.extras["assignment"]
    branches = []
    for number, metric in enumerate(objective.terms["assigned"].metrics):  # type: ignore[arg-type]
        mine = assignment == number
        if mine.any():
            branches.append(float(metric(embedding.parts[mine, number], LABELS[mine]).detach()))
    assert len(branches) == 2
    whole = objective.terms["whole"].metric(functional.normalize(embedding.whole, dim=1), LABELS)  # type: ignore[operator]
    costs = embedding.extras["reconstruction"].mean()
    assert float(losses.total.detach()) == pytest.approx(
        sum(branches) + 10 * float(whole.detach()) + float(costs.detach()), rel=1e-5
    )
    assert set(losses.values()) == {"loss", "loss_assigned", "loss_whole", "loss_reconstruction"}
    assert set(made_objective("triplet", head).weights.items()) == {
        ("assigned", 1.0), ("whole", 1.0), ("reconstruction", 1.0),
    }  # fmt: skip


def test_6_one_branch_is_twice_the_baseline_and_the_reconstruction() -> None:
    head = made_head(branches=1)
    with torch.no_grad():
        nn.init.eye_(head.relations.update.weight)
        head.relations.update.bias.zero_()
    losses = made_objective("binomial", head)(head(maps()), LABELS, seed=0)
    torch.testing.assert_close(losses.terms["whole"], losses.terms["assigned"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sizes", [(24, 0, 0), (22, 1, 1), (20, 4, 0)])
def test_8_a_branch_without_pictures_or_pairs_adds_nothing(case: str, sizes: tuple[int, ...]) -> None:
    head = made_head()
    objective = made_objective(case, head, {"whole": 0.0, "reconstruction": 0.0})
    embedding = head(maps())
    embedding.extras["assignment"] = torch.repeat_interleave(torch.arange(K), torch.tensor(sizes))
    total = objective(embedding, LABELS, seed=0).total
    assert torch.isfinite(total)
    (gradient,) = torch.autograd.grad(total, embedding.parts, retain_graph=True)
    total.backward()
    learned = [*head.parameters(), *objective.parameters()]
    assert all(torch.isfinite(each.grad).all() for each in learned if each.grad is not None)
    assert not gradient[:, 2][: 24 - sizes[2]].any()
    empty = [number for number, size in enumerate(sizes) if not size]
    assert not any(
        each.grad.any()
        for number in empty
        for each in objective.terms["assigned"].metrics[number].parameters()  # type: ignore[index]
    )
    assert not gradient[:, empty].any()


def test_the_assignment_of_an_epoch_is_told_and_its_collapse_once() -> None:
    head = made_head()
    objective = made_objective("binomial", head)

    def epoch(sizes: tuple[int, ...]) -> tuple[dict[str, Any], list[str]]:
        for _ in range(2):
            embedding = head(maps())
            embedding.extras["assignment"] = torch.repeat_interleave(torch.arange(K), torch.tensor(sizes))
            objective(embedding, LABELS, seed=0)
        return objective.end_epoch()

    facts, sentences = epoch((8, 8, 8))
    assert facts["assigned"] == [16, 16, 16]
    assert not sentences
    facts, (sentence,) = epoch((0, 24, 0))
    assert facts["assigned"] == [0, 48, 0]
    assert "100% of the pictures of this epoch trained branch 1 of 3" in sentence
    assert epoch((1, 23, 0))[1] == []
    assert epoch((2, 22, 0))[1] == []
    assert len(epoch((24, 0, 0))[1]) == 1
    one = made_head(branches=1)
    alone = made_objective("binomial", one)
    alone(one(maps()), LABELS, seed=0)
    facts, sentences = alone.end_epoch()
    assert facts["assigned"] == [24]
    assert not any("assignment" in each for each in sentences)


def test_how_much_is_told_and_a_silence_once() -> None:
    head = made_head()
    objective = made_objective("binomial", head)

    def epoch() -> tuple[float, list[str]]:
        objective(head(maps()), LABELS, seed=0)
        facts, sentences = objective.end_epoch()
        return facts["told"], [each for each in sentences if "relations" in each]

    with torch.no_grad():
        weights = head.eval()(maps()).extras["relations"]
        head.train()
    told, sentences = epoch()
    assert told == pytest.approx(float((weights.sum(1) > 0).float().mean()))
    assert told > 0
    assert not sentences
    with torch.no_grad():
        head.relations.scorer.bias.fill_(-100)
    told, (sentence,) = epoch()
    assert told == 0
    assert "0.0% of the branches" in sentence
    assert epoch() == (0, [])
    head = made_head()
    assert epoch()[1] == []


TWO = ("weighted", "proxy-anchor")


def steps(rank: int, cut: int) -> dict[str, np.ndarray]:
    """Loss and gradients over the rows of this process."""
    share, found = share_of(rank, cut), {}
    for case in TWO:
        head = made_head()
        model = nn.parallel.DistributedDataParallel(head) if rank >= 0 else head
        objective = made_objective(case, head, WEIGHTS)
        value = objective(model(maps().detach()[share]), LABELS[share], seed=11).total
        value.backward()
        found[f"{case} loss"] = value.detach().numpy()
        for name, parameter in [*head.named_parameters(), *objective.named_parameters()]:
            if "metrics" not in name:  # a branch may have no picture here
                found[f"{case} {name}"] = parameter.grad.numpy()
    return found


def process(rank: int, folder: Path) -> None:
    with as_one_of_two(rank, folder) as found:
        for share, cut in SHARES.items():
            found |= {f"{share} {key}": value for key, value in steps(rank, cut).items()}


def test_two_processes_equal_one(tmp_path: Path) -> None:
    both, alone = run_two(process, tmp_path), steps(-1, 0)
    for case in TWO:
        for share in SHARES:
            assert_two_equal_one(case, share, both, alone)
