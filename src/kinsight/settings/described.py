"""What every setting means: read from the docstrings that stand below the fields of the settings, their one home."""

from __future__ import annotations

import types
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser

from kinsight.settings.names import SHORT
from kinsight.settings.training import TrainingSettings

_VALUES = {
    int: "N",
    float: "X",
    bool: "{true,false}",
    str: "TEXT",
    list: "[N, ...]",
    dict: "{KEY: VALUE, ...}",
    type(None): "null",
}


@dataclass(frozen=True)
class DescribedSetting:
    """One setting for a reader.

    Attributes:
        name: its full name, `optimizer.trunk_lr`.
        value: what is written for it, `X`.
        meaning: what it does, in its own words.
        default: its default as it would be written; empty: none.
    """

    name: str
    value: str
    meaning: str
    default: str


@dataclass(frozen=True)
class DescribedGroup:
    """Settings that belong together, as `data` or `optimizer`; those of no group come under an empty name."""

    name: str
    meaning: str
    settings: list[DescribedSetting]


def described_settings() -> list[DescribedGroup]:
    """Every setting of a training, in the order in which they are declared; those of no group last."""
    meanings, kinds = _meanings(TrainingSettings), get_type_hints(TrainingSettings)
    groups, alone = [], []
    for field in fields(TrainingSettings):
        kind = kinds[field.name]
        if is_dataclass(kind):
            inside, own = _meanings(kind), get_type_hints(kind)
            known = [_described(each, f"{field.name}.", own[each.name], inside) for each in fields(kind)]
            groups.append(DescribedGroup(field.name, _sentence(kind.__doc__), known))
        else:
            alone.append(_described(field, "", kind, meanings))
    return [*groups, DescribedGroup("", "The whole run.", alone)]


def _meanings(kind: Any) -> dict[str, str]:
    return {each.arg_name: _sentence(each.description) for each in docstring_parser.parse_from_object(kind).params}


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _described(field: Field[Any], prefix: str, kind: Any, meanings: dict[str, str]) -> DescribedSetting:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    name = prefix + field.name
    value = "NAME" if f"--{name}.name" in SHORT.values() else _value(kind)
    return DescribedSetting(name, value, meanings.get(field.name, ""), _written(default))


def _value(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join(_value(each) for each in get_args(kind))
    return _VALUES[get_origin(kind) or kind]


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
