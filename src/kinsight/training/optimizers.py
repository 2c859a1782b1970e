"""The optimizer: one, with a parameter group each for trunk, head and loss."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from kinsight.errors import KinsightError
from kinsight.settings.training import OptimizerSettings


def make_optimizer(
    settings: OptimizerSettings, trunk: nn.Module, head: nn.Module, loss_parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Groups carry `name` (trunk, head, loss) and `base_lr`; the loop sets `lr` before every step. Empty groups are left out.

    Raises:
        KinsightError: a name in `other_decays` is the beginning of no parameter's.
    """
    others = settings.other_decays or {}
    network = {
        f"{part}.{path}": value
        for part, module in (("trunk", trunk), ("head", head))
        for path, value in module.named_parameters()
    }
    for beginning in others:
        if not any(path.startswith(beginning) for path in network):
            raise KinsightError(
                f"optimizer.other_decays names {beginning!r}, with which no parameter of the network begins; remove it, or write one of "
                f"{', '.join(path for path in network if path.startswith('head.'))}, or of the trunk's"
            )
    groups = []
    for part, rate in (("trunk", settings.trunk_lr), ("head", settings.head_lr)):
        mine = {path: value for path, value in network.items() if path.startswith(f"{part}.") and value.requires_grad}
        decays = {path: _decay(path, settings.weight_decay, others) for path in mine}
        for decay in dict.fromkeys(decays.values()):
            chosen = [value for path, value in mine.items() if decays[path] == decay]
            groups.append({"params": chosen, "name": part, "lr": rate, "base_lr": rate, "weight_decay": decay})
    learned = [parameter for parameter in loss_parameters if parameter.requires_grad]
    if learned:
        rate, decay = settings.loss_lr, settings.loss_weight_decay
        groups.append({"params": learned, "name": "loss", "lr": rate, "base_lr": rate, "weight_decay": decay})
    if settings.name == "adamw":
        return torch.optim.AdamW(groups)
    if settings.name == "adam":
        return torch.optim.Adam(groups)
    if settings.name == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum)
    return torch.optim.RMSprop(groups, momentum=settings.momentum)


def _decay(path: str, usual: float, others: dict[str, float]) -> float:
    """The decay of the longest beginning that fits."""
    fits = [beginning for beginning in others if path.startswith(beginning)]
    return others[max(fits, key=len)] if fits else usual
