"""Which parameters train how: named groups, each with its learning rate, its weight decay, and how long it waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from kinsight.errors import KinsightError
from kinsight.settings.training import OptimizerSettings

OPTIONS = ("lr", "weight_decay", "waits")


@dataclass
class ParameterGroup:
    """Parameters that train alike.

    Attributes:
        name: `trunk`, `head`, `loss` or `method`, and for a group inside of one of these its name behind a dot: `head.queries`.
        parameters: those that train.
        lr: learning rate; None: that of the loss's own parameters.
        weight_decay: likewise.
        waits: epochs during which it stands still at the beginning.
    """

    name: str
    parameters: list[nn.Parameter]
    lr: float | None = None
    weight_decay: float | None = None
    waits: float = 0.0

    @property
    def origin(self) -> str:
        """Where it comes from: trunk, head, loss or method."""
        return self.name.partition(".")[0]


def parameter_groups(
    settings: OptimizerSettings,
    *,
    trunk: nn.Module,
    head: nn.Module,
    loss: nn.Module,
    method: nn.Module | None = None,
    method_groups: Sequence[ParameterGroup] = (),
    trunk_waits: float = 0.0,
) -> list[ParameterGroup]:
    """The groups of a training: the usual ones, changed or cut up as `settings.groups` says; empty ones are left out.

    A head may name groups of its own: `head.parameter_groups() -> {"queries": [...]}`.

    Args:
        loss: the terms of the objective; what of it belongs to trunk or head stays there.
        method_groups: what the method names; their names need not begin with `method.`.
        trunk_waits: epochs during which the trunk stands still.

    Raises:
        KinsightError: `settings.groups` names no group and no parameter, or an option that a group does not have.
    """
    usual = {
        "trunk": ParameterGroup("trunk", [], settings.trunk_lr, settings.weight_decay, trunk_waits),
        "head": ParameterGroup("head", [], settings.head_lr, settings.weight_decay),
        "loss": ParameterGroup("loss", [], settings.loss_lr, settings.loss_weight_decay),
    }
    of_parameter = {id(value): f"head.{name}" for name, values in _own_groups(head).items() for value in values}
    usual |= {name: replace(usual["head"], name=name) for name in dict.fromkeys(of_parameter.values())}
    for group in method_groups:
        name = group.name if group.origin == "method" else f"method.{group.name}"
        usual[name] = _completed(group, name, usual["loss"])
        of_parameter |= {id(value): name for value in group.parameters}

    found: dict[int, tuple[str, nn.Parameter, str]] = {}  # path, parameter, usual group
    for origin, module in (
        ("trunk", trunk),
        ("head", head),
        ("loss", loss),
        ("method", nn.Identity() if method is None else method),
    ):
        for path, value in module.named_parameters():
            name = of_parameter.get(id(value), origin)
            if name in usual:  # a parameter of a method that is in none of its groups does not train
                found.setdefault(id(value), (f"{origin}.{path}", value, name))
    return _changed(usual, list(found.values()), settings.groups or {})


def _changed(
    usual: Mapping[str, ParameterGroup],
    parameters: Sequence[tuple[str, nn.Parameter, str]],
    changes: Mapping[str, Mapping[str, Any]],
) -> list[ParameterGroup]:
    """The usual groups with the changes; of several that fit a parameter the longest counts."""
    _check(usual, [path for path, _, _ in parameters], changes)
    groups: dict[tuple[str, str], ParameterGroup] = {}
    for path, value, name in parameters:
        if not value.requires_grad:
            continue
        key = max((key for key in changes if name == key or path.startswith(key)), key=len, default=None)
        where = (name, name if key is None else key)
        if where not in groups:
            groups[where] = replace(usual[name], name=where[1], parameters=[], **dict(changes[key] if key else {}))
        groups[where].parameters.append(value)
    order = list(usual)
    return [groups[where] for where in sorted(groups, key=lambda where: order.index(where[0]))]


def _check(usual: Mapping[str, ParameterGroup], paths: Sequence[str], changes: Mapping[str, Any]) -> None:
    for key, options in changes.items():
        if key not in usual and not any(path.startswith(key) for path in paths):
            known = ", ".join([*usual, *(path for path in paths if path.startswith("head."))])
            raise KinsightError(
                f"optimizer.groups names {key!r}, which is no group and with which no parameter's name begins; remove it, or write one of "
                f"{known}, or the beginning of the name of a parameter of the trunk"
            )
        for option, value in options.items():
            if option not in OPTIONS:
                raise KinsightError(
                    f"optimizer.groups.{key} has no option {option!r}; its options are {', '.join(OPTIONS)}"
                )
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise KinsightError(f"optimizer.groups.{key}.{option} is {value!r}; write a number of at least 0")


def _own_groups(head: nn.Module) -> dict[str, list[nn.Parameter]]:
    return dict(head.parameter_groups()) if hasattr(head, "parameter_groups") else {}  # type: ignore[operator]


def _completed(group: ParameterGroup, name: str, like: ParameterGroup) -> ParameterGroup:
    return replace(
        group,
        name=name,
        lr=like.lr if group.lr is None else group.lr,
        weight_decay=like.weight_decay if group.weight_decay is None else group.weight_decay,
    )
