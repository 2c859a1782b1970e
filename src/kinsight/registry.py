"""A choice in the settings, `{"name": ..., option: value}`, becomes a loss or a miner."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from kinsight.errors import KinsightError

# What a user is told to write where a name is not known.
_EXAMPLES = {
    "loss": "pytorch_metric_learning.losses.CircleLoss",
    "miner": "pytorch_metric_learning.miners.AngularMiner",
}
_PLAIN = (bool, int, float, str)


@dataclass(frozen=True)
class Named:
    """What stands behind a name of the settings."""

    make: type[nn.Module]
    """The class."""
    needs: str
    """What a batch, or the user, must bring; one line for the docs."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Options that differ from the class's own defaults, or that are worth seeing."""


def build(choice: Any, known: Mapping[str, Named], kind: str, given: Mapping[str, Any]) -> nn.Module:
    """Make what `choice` names: a name of `known` or a class path such as `pytorch_metric_learning.losses.CircleLoss`.

    An option whose value is itself a choice (a mapping with a name) is built first, so that a distance, a reducer or a
    regularizer can be given by class path.

    Args:
        kind: the word for the user, "loss" or "miner".
        given: what Kinsight knows itself (`num_classes`, `embedding_size`); handed to classes that require it.

    Raises:
        KinsightError: an unknown name or class, an option that the class does not have, a value that it refuses.
    """
    name, options = _read(choice, kind)
    entry = _find(name, known, kind)
    allowed = options_of(entry.make, given)
    unknown = [option for option in options if option not in allowed]
    if unknown:
        listed = ", ".join(sorted(set(allowed) - set(given))) or "no options"
        raise KinsightError(
            f"{kind} {name}: '{unknown[0]}' is not one of its options{_near(unknown[0], allowed)}; it takes {listed}"
        )
    for option, value in options.items():
        if value is None and _takes_none(entry.make, option):
            continue
        _check_type(kind, name, option, value, entry.defaults.get(option, allowed[option]))
    required = {option: value for option, value in given.items() if allowed.get(option, 0) is inspect.Parameter.empty}
    values = {**entry.defaults, **required, **options}
    values = {option: _nested(option, value, given) for option, value in values.items()}
    missing = [option for option, value in allowed.items() if value is inspect.Parameter.empty and option not in values]
    if missing:
        raise KinsightError(f"{kind} {name}: the option '{missing[0]}' has no default; add it beside the name")
    try:
        return entry.make(**values)
    except (TypeError, ValueError, AssertionError, AttributeError) as problem:
        raise KinsightError(f"{kind} {name} refuses its options {values} ({problem}); correct them") from problem


def complete(choice: Any, known: Mapping[str, Named], kind: str) -> dict[str, Any]:
    """The choice with every option whose default is plain (a number, a word, a truth value): two ways to write one thing are one.

    Raises:
        KinsightError: an unknown name or class.
    """
    name, options = _read(choice, kind)
    entry = _find(name, known, kind)
    plain = {option: value for option, value in options_of(entry.make, ()).items() if isinstance(value, _PLAIN)}
    return {"name": name, **plain, **entry.defaults, **options}


def options_of(make: type, given: Container[str]) -> dict[str, Any]:
    """Every option that a class's constructor takes, and its default (`Parameter.empty` where there is none).

    A constructor that passes `**kwargs` on also takes what the next class up the line takes; but what that class
    requires it settles itself, save what is in `given`.
    """
    options: dict[str, Any] = {}
    for ancestor in inspect.getmro(make):
        if "__init__" not in vars(ancestor) or ancestor in (nn.Module, object):
            continue
        parameters = list(inspect.signature(vars(ancestor)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            settled = ancestor is not make and parameter.default is parameter.empty and parameter.name not in given
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and not settled:
                options.setdefault(parameter.name, parameter.default)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return options


def _read(choice: Any, kind: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(choice, Mapping) or not isinstance(choice.get("name"), str):
        raise KinsightError(f"{kind}: {choice!r} does not name a {kind}; write a mapping such as {{'name': 'margin'}}")
    return choice["name"], {str(option): value for option, value in choice.items() if option != "name"}


def _find(name: str, known: Mapping[str, Named], kind: str) -> Named:
    if name in known:
        return known[name]
    if "." not in name:
        allowed = f"choose {', '.join(known)}, or give" if known else "give"
        example = _EXAMPLES.get(kind, "pytorch_metric_learning.distances.LpDistance")
        raise KinsightError(
            f"'{name}' is not a known {kind}{_near(name, known)}; {allowed} a class path such as {example}"
        )
    module, _, last = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError, ValueError) as problem:
        raise KinsightError(f"the {kind} class {name} could not be imported ({problem}); check the path") from problem
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise KinsightError(f"the {kind} {name} is not a torch.nn.Module class; give the path of one")
    return Named(found, "as its own documentation says")


def _nested(option: str, value: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping) and "name" in value:
        return build(value, {}, option, given)
    return value


def _takes_none(make: type, option: str) -> bool:
    """Whether the class itself says that the option may be None."""
    parameter = inspect.signature(make).parameters.get(option)
    return parameter is not None and "None" in str(parameter.annotation)


def _check_type(kind: str, name: str, option: str, value: Any, default: Any) -> None:
    # YAML reads 1e-3 as a text; without this check it would surface as an odd failure deep in the loss.
    if isinstance(default, bool):
        fits, what = isinstance(value, bool), "true or false"
    elif isinstance(default, (int, float)):
        fits, what = isinstance(value, (int, float)) and not isinstance(value, bool), f"a number such as {default}"
    else:
        return
    if not fits:
        raise KinsightError(f"{kind} {name}, option {option}: {value!r} is not allowed; write {what}")


def _near(word: str, words: Iterable[str]) -> str:
    matches = difflib.get_close_matches(word, list(words), n=2)
    return f" (did you mean {' or '.join(matches)}?)" if matches else ""
