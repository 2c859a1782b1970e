"""Dataclasses from plain values (JSON) and back: a value of the wrong kind is one sentence that names where it stands.

A field named `more` takes the keys that the class does not know, so that what another version wrote is not lost.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kinsight.errors import KinsightError

T = TypeVar("T")
MORE = "more"
_HINTS: dict[type, Mapping[str, Any]] = {}
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    tuple: "a list",
    dict: "an object with names",
    type(None): "null",
}


def type_hints(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields; to look them up anew takes as long as to read a file."""
    if kind not in _HINTS:
        _HINTS[kind] = types.MappingProxyType(get_type_hints(kind))
    return _HINTS[kind]


def from_plain(kind: type[T], value: Any, where: str, *, otherwise: str) -> T:
    """A dataclass, filled from a mapping by the types of its fields, nested ones likewise.

    Args:
        where: what to call the value in an error, such as the path of its file.
        otherwise: how to repair, the end of the sentence.

    Raises:
        KinsightError: a value is of another kind, or one without a default is missing.
    """
    if not isinstance(value, Mapping):
        raise _wrong(where, value, "an object with names", otherwise)
    kinds = type_hints(kind)
    known: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name == MORE:
            known[MORE] = {str(key): each for key, each in value.items() if key not in kinds}
        elif field.name in value:
            known[field.name] = _value(kinds[field.name], value[field.name], f"{where}: {field.name}", otherwise)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KinsightError(f"{where} has no {field.name}; {otherwise}")
    return kind(**known)


def to_plain(record: Any) -> dict[str, Any]:
    """The mapping that `from_plain` reads; what is None or empty is left out where that is the default."""
    found: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name == MORE:
            found |= value
        elif not (value is None and field.default is None) and not _empty(field, value):
            found[field.name] = _plain(value)
    return found


def _empty(field: Field[Any], value: Any) -> bool:
    return field.default_factory is not MISSING and bool(value == field.default_factory())


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_plain(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _value(kind: Any, value: Any, where: str, otherwise: str) -> Any:
    if kind is Any:
        return value
    origin, inside = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        (kind,) = (each for each in inside if each is not type(None))
        return _value(kind, value, where, otherwise)
    if is_dataclass(kind):
        return from_plain(kind, value, where, otherwise=otherwise)  # type: ignore[arg-type]
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _value(inside[1], each, f"{where}.{key}", otherwise) for key, each in value.items()}
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        items = [_value(inside[0], each, where, otherwise) for each in value]
        return tuple(items) if origin is tuple else items
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        value = _float(value)
    if isinstance(value, origin) and (origin is bool or not isinstance(value, bool)):
        return value
    raise _wrong(where, value, _WORDS.get(origin, "something else"), otherwise)


def _float(value: int) -> Any:
    try:
        return float(value)
    except OverflowError:
        return value


def _wrong(where: str, value: Any, allowed: str, otherwise: str) -> KinsightError:
    try:
        shown = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        shown = "a number of thousands of digits"
    return KinsightError(f"{where} is {shown if len(shown) <= 60 else shown[:57] + '...'}, not {allowed}; {otherwise}")
