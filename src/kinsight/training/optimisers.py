"""The optimiser: one, with a parameter group each for trunk, head and loss."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from kinsight.training.settings import OptimiserSettings


def make_optimiser(
    settings: OptimiserSettings, trunk: nn.Module, head: nn.Module, loss_parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Groups carry `name` (trunk, head, loss) and `base_rate`; the loop sets `lr` before every step. Empty groups are left out."""
    parts: list[tuple[str, Iterable[nn.Parameter], float, float]] = [
        ("trunk", trunk.parameters(), settings.trunk_rate, settings.weight_decay),
        ("head", head.parameters(), settings.head_rate, settings.weight_decay),
        ("loss", loss_parameters, settings.loss_rate, settings.loss_weight_decay),
    ]
    groups = []
    for name, parameters, rate, decay in parts:
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        if trainable:
            groups.append({"params": trainable, "name": name, "lr": rate, "base_rate": rate, "weight_decay": decay})
    if settings.name == "adamw":
        return torch.optim.AdamW(groups)
    if settings.name == "adam":
        return torch.optim.Adam(groups)
    if settings.name == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum)
    return torch.optim.RMSprop(groups, momentum=settings.momentum)
