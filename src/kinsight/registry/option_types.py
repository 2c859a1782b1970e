"""Whether a value of the settings is of the type that an annotation says, and that type in words."""

from __future__ import annotations

import math
import types
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
    list: "a list such as [1, 2]",
    dict: "a mapping of options",
}
_LONGEST = 80


def fits(value: Any, kind: Any) -> bool:
    """Whether `value` is of the type; types beyond those of JSON are let pass."""
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner and type(value) in {type(each) for each in inner}
    if kind is None or origin is type(None):
        return value is None
    if origin is bool:
        return isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if origin is str:
        return isinstance(value, str)
    if _is_sort(origin, Mapping):
        return isinstance(value, Mapping)
    if _is_sort(origin, Collection):
        return isinstance(value, list | tuple) and all(fits(each, inner[0]) for each in value if inner)
    return True


def in_words(kind: Any) -> str:
    """The type as a user writes a value of it."""
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(each) for each in inner)
    if origin not in (str, dict) and _is_sort(origin, Collection) and not _is_sort(origin, Mapping):
        origin = list
    return _WORDS.get(type(None) if origin is None else origin, "something else")


def shown(value: Any) -> str:
    """The value for an error: as Python writes it, but never longer than a line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python does not write integers of thousands of digits
        return f"a very long {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is_sort(origin: Any, sort: type) -> bool:
    return isinstance(origin, type) and issubclass(origin, sort)
