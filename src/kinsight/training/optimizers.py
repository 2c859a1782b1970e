"""The optimizer: one for all parameter groups, whose rates are set before every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from kinsight.registry import Named, Registry
from kinsight.settings.training import OptimizerSettings, ScheduleSettings
from kinsight.training.parameter_groups import ParameterGroup
from kinsight.training.schedules import factor

# Each gets of `hands` what it takes; its other options are those of torch.
OPTIMIZERS = Registry(
    "optimizer",
    {
        "adamw": Named(torch.optim.AdamW),
        "adam": Named(torch.optim.Adam),
        "sgd": Named(torch.optim.SGD),
        "rmsprop": Named(torch.optim.RMSprop),
    },
    base=torch.optim.Optimizer,
    hands=("params", "momentum"),
    always=True,
)


def make_optimizer(settings: OptimizerSettings, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    """The optimizer that the settings name; its groups carry `name`, `waits` and `base_lr`."""
    described = [
        {
            "params": group.parameters,
            "name": group.name,
            "lr": group.lr,
            "base_lr": group.lr,
            "weight_decay": group.weight_decay,
            "waits": group.waits,
        }
        for group in groups
    ]
    given = {"params": described, "momentum": settings.momentum}
    made: torch.optim.Optimizer = OPTIMIZERS.build({"name": settings.name}, given)
    return made


def set_rates(
    optimizer: torch.optim.Optimizer,
    schedule: ScheduleSettings,
    step: int,
    *,
    steps_per_epoch: int,
    epochs: int,
    method_factor: Callable[[str, int], float],
) -> dict[str, float]:
    """Give every group its learning rate for a step; the rates by the groups' names.

    Args:
        step: from 0.
        method_factor: of a group's name and the epoch (from 0): what the method multiplies its rate with.
    """
    rates = {}
    for group in optimizer.param_groups:
        scale = factor(schedule, group["waits"], step, steps_per_epoch, epochs)
        group["lr"] = group["base_lr"] * scale * method_factor(group["name"], step // steps_per_epoch)
        rates[group["name"]] = group["lr"]
    return rates


def clip_gradients(optimizer: torch.optim.Optimizer, largest: float, *, apart: bool) -> None:
    """Bound the norm of the gradients of trunk and head together, or of those of each origin (`ParameterGroup.origin`) on their own."""
    clipped: dict[str, list[torch.Tensor]] = {}
    for group in optimizer.param_groups:
        origin = group["name"].partition(".")[0]
        if apart or origin in ("trunk", "head"):
            clipped.setdefault(origin if apart else "model", []).extend(group["params"])
    for parameters in clipped.values():
        torch.nn.utils.clip_grad_norm_(parameters, largest)


def leave_out_still_groups(optimizer: torch.optim.Optimizer) -> None:
    """What stands still (a rate of 0) gathers no momentum either."""
    for group in optimizer.param_groups:
        if group["lr"] == 0:
            for parameter in group["params"]:
                parameter.grad = None
