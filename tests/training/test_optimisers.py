"""One optimizer, three groups."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinsight.errors import KinsightError
from kinsight.settings.training import OptimizerSettings
from kinsight.training.optimizers import make_optimizer

SETTINGS = OptimizerSettings(
    trunk_lr=1e-5, head_lr=1e-3, loss_lr=0.5, weight_decay=0.02, loss_weight_decay=0.03, momentum=0.8
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_the_groups_carry_their_rates_and_decay(name: str, kind: type) -> None:
    SETTINGS.name = name  # type: ignore[assignment]
    trunk, head, proxies = nn.Linear(2, 3), nn.Linear(3, 4), nn.Parameter(torch.zeros(5, 4))
    optimizer = make_optimizer(SETTINGS, trunk, head, [proxies])
    assert type(optimizer) is kind
    found = [(group["name"], group["lr"], group["base_lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert found == [("trunk", 1e-5, 1e-5, 0.02), ("head", 1e-3, 1e-3, 0.02), ("loss", 0.5, 0.5, 0.03)]
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2, 1]
    if name in ("sgd", "rmsprop"):
        assert {group["momentum"] for group in optimizer.param_groups} == {0.8}


def test_what_does_not_train_is_left_out() -> None:
    trunk, head = nn.Linear(2, 3), nn.Linear(3, 4)
    trunk.weight.requires_grad_(False)
    optimizer = make_optimizer(OptimizerSettings(), trunk, head, [])
    assert [(group["name"], len(group["params"])) for group in optimizer.param_groups] == [("trunk", 1), ("head", 2)]
    trunk.bias.requires_grad_(False)
    optimizer = make_optimizer(OptimizerSettings(), trunk, head, [])
    assert [group["name"] for group in optimizer.param_groups] == ["head"]


def test_some_parameters_may_have_another_weight_decay() -> None:
    trunk, head = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    settings = OptimizerSettings(weight_decay=0.1, other_decays={"head.1": 0.2, "head.1.bias": 0.0, "trunk.bias": 0.3})
    optimizer = make_optimizer(settings, trunk, head, [])
    found = {
        id(value): (group["name"], group["weight_decay"])
        for group in optimizer.param_groups
        for value in group["params"]
    }
    assert len(found) == 6
    assert found[id(trunk.weight)] == ("trunk", 0.1)
    assert found[id(trunk.bias)] == ("trunk", 0.3)
    assert found[id(head[0].weight)] == ("head", 0.1)
    assert found[id(head[1].weight)] == ("head", 0.2)
    assert found[id(head[1].bias)] == ("head", 0.0)
    with pytest.raises(KinsightError, match=r"names 'head.queries', with which no parameter of the network begins"):
        make_optimizer(OptimizerSettings(other_decays={"head.queries": 0.1}), trunk, head, [])
