"""Settings from recipes, files and the command line, checked against the typed dataclasses by jsonargparse."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentError, ArgumentParser

from kinsight.errors import KinsightError
from kinsight.settings.recipe import merge, read_recipe
from kinsight.settings.training import TrainingSettings
from kinsight.settings.yaml_mapping import UnboundedError, yaml_value

# `--data X` and `--model.head X` are short for the key that a person means.
SHORT = {
    "--data": "--data.path",
    "--model.head": "--model.head.name",
    "--objective.loss": "--objective.loss.name",
    "--objective.miner": "--objective.miner.name",
    "--method": "--method.name",
}
# Words of keys that were called otherwise before.
RENAMED = {
    "optimiser": "optimizer",
    "trunk_rate": "trunk_lr",
    "head_rate": "head_lr",
    "loss_rate": "loss_lr",
    "l2": "normalize",
    "other_decays": "groups",
}
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    list: "a list such as [1, 2]",
    dict: "a mapping of options",
}


def settings_parser(prog: str = "kinsight train") -> ArgumentParser:
    """A parser whose options are the fields of TrainingSettings."""
    parser = ArgumentParser(prog=prog, exit_on_error=False, allow_abbrev=False, description="Train an embedder.")
    parser.add_class_arguments(TrainingSettings, as_group=False)
    return parser


def given_options(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line says, nested, without defaults.

    Raises:
        KinsightError: an unknown option, or a value of the wrong type.
    """
    for argument in arguments:
        _refuse_unbounded(argument)
    try:
        return dict(parser.parse_args(expand_short_options(arguments), defaults=False).as_dict())
    except ArgumentError as problem:
        unknown = re.search(r"unrecognized arguments: ([^\s=]+)", str(problem))
        if unknown:
            options = [option for action in parser._actions for option in action.option_strings]
            raise KinsightError(f"'{_short(unknown[1])}' is not an option; {_hint(unknown[1], options)}") from None
        raise KinsightError(_one_sentence(problem)) from None


def settings_from(*layers: Mapping[str, Any] | str) -> TrainingSettings:
    """Checked settings from layers, later ones overriding earlier ones: nested mappings, recipe names or YAML files.

    >>> settings_from("margin-resnet50", {"epochs": 4}).epochs
    4

    Raises:
        KinsightError: an unknown recipe or key, or a value of the wrong type.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, read_recipe(layer) if isinstance(layer, str) else layer)
    _refuse_wrong_keys(merged)
    parser = settings_parser()
    defaults = parser.get_defaults().as_dict()
    try:
        # Merged onto the defaults here, so that an option of a head or loss keeps its neighbours' defaults.
        checked = parser.parse_object(merge(defaults, merged))
        return TrainingSettings(**vars(parser.instantiate(checked)))
    except (ArgumentError, TypeError, ValueError) as problem:
        raise KinsightError(_one_sentence(problem)) from None


def setting_types(settings: Any = TrainingSettings, prefix: str = "") -> dict[str, Any]:
    """Every setting by its full name and its type; a choice such as a head or a loss is one setting."""
    found: dict[str, Any] = {}
    for name, kind in get_type_hints(settings).items():
        found |= setting_types(kind, f"{prefix}{name}.") if is_dataclass(kind) else {f"{prefix}{name}": kind}
    return found


def expand_short_options(arguments: Sequence[str]) -> list[str]:
    """Replace the short forms (`--data X`) by the full keys (`--data.path X`), but not before a mapping (`{...}`)."""
    expanded = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if not (value if equals else following).lstrip().startswith("{"):
            option = SHORT.get(option, option)
        expanded.append(option + equals + value)
    return expanded


def _refuse_unbounded(argument: str) -> None:
    """jsonargparse reads values as YAML and writes out what aliases stand for."""
    for text in {argument, argument.partition("=")[2]}:
        try:
            yaml_value(text)
        except UnboundedError as problem:
            raise KinsightError(f"'{_short(argument)}' cannot be read ({problem}); write the value out") from None
        except ValueError:
            continue  # a text, which may be one that is no YAML


def _refuse_wrong_keys(settings: Mapping[str, Any], prefix: str = "") -> None:
    known = setting_types()
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in known:
            # jsonargparse lets null pass for every type.
            if value is None and type(None) not in get_args(known[name]):
                raise KinsightError(f"setting {name}: null is not allowed; write {_allowed(known[name])}")
        elif any(other.startswith(f"{name}.") for other in known):
            if not isinstance(value, Mapping):
                keys = ", ".join(other for other in known if other.startswith(f"{name}."))
                raise KinsightError(
                    f"'{name}' is a group of settings and cannot be {_short(repr(value))}; write one of {keys}"
                )
            _refuse_wrong_keys(value, f"{name}.")
        else:
            raise KinsightError(f"'{_short(name)}' is not a setting; {_hint(name, list(known))}")


def _hint(name: str, known: Sequence[str]) -> str:
    renamed = re.sub(r"\w+", lambda word: RENAMED.get(word[0], word[0]), name)
    if renamed != name and any(other == renamed or other.startswith(f"{renamed}.") for other in known):
        shape = ", for example {head.queries: {weight_decay: 0.001}}" if name.endswith("other_decays") else ""
        return f"it is now called '{renamed}'{shape}"
    close = difflib.get_close_matches(_short(name), known, n=1)
    return f"did you mean '{close[0]}'?" if close else "`kinsight train --help` lists every setting"


def _allowed(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_allowed(each) for each in get_args(kind))
    return _WORDS.get(get_origin(kind) or kind, "something else")


def _one_sentence(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    wrong = re.search(r'Parser key "([^"]+)".*(?:Got|Given) value: (.*)$', text)
    if wrong and wrong[1] in setting_types():
        return f"setting {wrong[1]}: '{_short(wrong[2])}' is not allowed; write {_allowed(setting_types()[wrong[1]])}"
    return f"{_short(text.rstrip('. '), 400)}; `kinsight train --help` lists every option"


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
