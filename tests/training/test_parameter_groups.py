"""One optimizer, named groups."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from kinsight.errors import KinsightError
from kinsight.models import make_head
from kinsight.settings.training import OptimizerSettings, ScheduleSettings
from kinsight.training.optimizers import leave_out_still_groups, make_optimizer, set_rates
from kinsight.training.parameter_groups import ParameterGroup, parameter_groups

SETTINGS = OptimizerSettings(
    trunk_lr=1e-5, head_lr=1e-3, loss_lr=0.5, weight_decay=0.02, loss_weight_decay=0.03, momentum=0.8
)


class Proxies(nn.Module):
    """What a loss learns."""

    def __init__(self) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.zeros(5, 4))


def small(**options: Any) -> dict[str, Any]:
    return {"trunk": nn.Linear(2, 3), "head": nn.Linear(3, 4), "loss": nn.Identity(), **options}


def described(groups: list[ParameterGroup]) -> dict[str, tuple[Any, ...]]:
    return {group.name: (len(group.parameters), group.lr, group.weight_decay, group.waits) for group in groups}


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
    optimizer = make_optimizer(SETTINGS, parameter_groups(SETTINGS, **small(loss=Proxies()), trunk_waits=2))
    assert type(optimizer) is kind
    found = [
        (group["name"], group["lr"], group["base_lr"], group["weight_decay"], group["waits"])
        for group in optimizer.param_groups
    ]
    assert found == [
        ("trunk", 1e-5, 1e-5, 0.02, 2), ("head", 1e-3, 1e-3, 0.02, 0), ("loss", 0.5, 0.5, 0.03, 0),
    ]  # fmt: skip
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2, 1]
    if name in ("sgd", "rmsprop"):
        assert {group["momentum"] for group in optimizer.param_groups} == {0.8}


def test_what_does_not_train_is_left_out() -> None:
    modules = small()
    modules["trunk"].weight.requires_grad_(False)
    assert {name: group[0] for name, group in described(parameter_groups(SETTINGS, **modules)).items()} == {
        "trunk": 1,
        "head": 2,
    }
    modules["trunk"].bias.requires_grad_(False)
    assert list(described(parameter_groups(SETTINGS, **modules))) == ["head"]


def test_groups_are_changed_by_the_beginning_of_a_name() -> None:
    trunk, head = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    changes = {
        "head.1": {"weight_decay": 0.2}, "head.1.bias": {"lr": 7.0, "waits": 1.5}, "trunk.bias": {"weight_decay": 0.3},
    }  # fmt: skip
    settings = OptimizerSettings(trunk_lr=1.0, head_lr=2.0, weight_decay=0.1, groups=changes)
    groups = parameter_groups(settings, trunk=trunk, head=head, loss=nn.Identity(), trunk_waits=3)
    assert described(groups) == {
        "trunk": (1, 1.0, 0.1, 3), "trunk.bias": (1, 1.0, 0.3, 3),
        "head": (2, 2.0, 0.1, 0), "head.1": (1, 2.0, 0.2, 0), "head.1.bias": (1, 7.0, 0.1, 1.5),
    }  # fmt: skip
    of = {id(value): group.name for group in groups for value in group.parameters}
    assert of[id(head[1].weight)] == "head.1"
    assert of[id(head[1].bias)] == "head.1.bias"


def test_a_head_and_a_method_name_groups_of_their_own() -> None:
    head = make_head({"name": "attentive", "groups": 2, "dim": 4}, 8, (2, 2))
    method = Proxies()
    named = ParameterGroup("masks", [method.proxies], lr=9.0)
    modules = small(head=head, method=method, method_groups=[named])
    found = described(parameter_groups(SETTINGS, **modules))
    assert found == {
        "trunk": (2, 1e-5, 0.02, 0), "head": (2, 1e-3, 0.02, 0), "head.queries": (1, 1e-3, 0.02, 0),
        "method.masks": (1, 9.0, 0.03, 0),
    }  # fmt: skip
    changes = {"head.queries": {"weight_decay": 0.5}, "method": {"waits": 1}, "trunk": {"lr": 3.0}}
    changed = OptimizerSettings(**{**vars(SETTINGS), "groups": changes})
    found = described(parameter_groups(changed, **modules))
    assert found["head.queries"] == (1, 1e-3, 0.5, 0)
    assert found["head"] == (2, 1e-3, 0.02, 0)
    assert found["method"] == (1, 9.0, 0.03, 1)
    assert found["trunk"] == (2, 3.0, 0.02, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head.queries": {"lr": 1.0}}, ["'head.queries'", "no group", "trunk, head, loss, head.weight, head.bias"]),
        ({"head": {"l2": 1.0}}, ["head has no option 'l2'", "lr, weight_decay, waits"]),
        ({"head": {"lr": -1.0}}, ["optimizer.groups.head.lr is -1.0", "at least 0"]),
    ],
)
def test_groups_that_are_refused(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        parameter_groups(OptimizerSettings(groups=changes), **small())
    for word in words:
        assert word in str(caught.value)


def test_a_method_slows_a_group_and_what_stands_still_gathers_no_momentum() -> None:
    modules = small()
    settings = OptimizerSettings(name="sgd", head_lr=1.0, trunk_lr=0.5)
    optimizer = make_optimizer(settings, parameter_groups(settings, **modules, trunk_waits=1))
    rates = set_rates(
        optimizer,
        ScheduleSettings("constant"),
        5,
        steps_per_epoch=5,
        epochs=3,
        method_factor=lambda group, epoch: 0.0 if group == "head" else 0.5**epoch,
    )
    assert rates == {"trunk": 0.25, "head": 0.0}
    modules["head"](modules["trunk"](torch.ones(1, 2))).sum().backward()
    leave_out_still_groups(optimizer)
    before = modules["head"].weight.clone()
    optimizer.step()
    assert torch.equal(modules["head"].weight, before)
    assert set(map(id, optimizer.state)) == set(map(id, modules["trunk"].parameters()))
