"""Settings from recipes, files and the command line, checked against the typed dataclasses by jsonargparse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, get_args

from jsonargparse import ArgumentError, ArgumentParser

from kinsight.errors import KinsightError
from kinsight.settings.names import SHORT, allowed, hint, setting_types, short
from kinsight.settings.recipe import merge, read_recipe
from kinsight.settings.training import TrainingSettings
from kinsight.settings.yaml_mapping import UnboundedError, yaml_value

# A plain text or a short number, to be answered without reading it as YAML: no list, mapping or alias without a blank or a bracket.
_ONE_WORD = re.compile(r"(?![-+.]?\d)[^\s\[\]{}&*=]*|[^\s\[\]{}&*=]{,18}")


def settings_parser(prog: str = "kinsight train") -> ArgumentParser:
    """A parser whose options are the fields of TrainingSettings."""
    parser = ArgumentParser(prog=prog, exit_on_error=False, allow_abbrev=False, description="Train an embedder.")
    parser.add_class_arguments(TrainingSettings, as_group=False)
    return parser


@cache
def _checking_parser() -> tuple[ArgumentParser, dict[str, Any]]:
    """A parser and its defaults for all settings of a process: to make them takes longer than to read a recipe."""
    parser = settings_parser()
    return parser, parser.get_defaults().as_dict()


def given_options(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line says, nested, without defaults.

    Raises:
        KinsightError: an unknown option, or a value of the wrong type.
    """
    arguments = expand_short_options(arguments)
    for option, argument in zip(["", *arguments], arguments, strict=False):
        if not _is_digits_of_a_text(option, argument):
            _refuse_unbounded(argument)
    try:
        return dict(parser.parse_args(arguments, defaults=False).as_dict())
    except ArgumentError as problem:
        unknown = re.search(r"unrecognized arguments: ([^\s=]+)", str(problem))
        if unknown:
            options = [option for action in parser._actions for option in action.option_strings]
            raise KinsightError(f"'{short(unknown[1])}' is not an option; {hint(unknown[1], options)}") from None
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
    parser, defaults = _checking_parser()
    try:
        # Merged onto the defaults here, so that an option of a head or loss keeps its neighbours' defaults.
        checked = parser.parse_object(merge(deepcopy(defaults), merged), defaults=False)
        return TrainingSettings(**vars(parser.instantiate(checked)))
    except (ArgumentError, TypeError, ValueError) as problem:
        raise KinsightError(_one_sentence(problem)) from None


def expand_short_options(arguments: Sequence[str]) -> list[str]:
    """Replace the short forms (`--data X`) by the full keys (`--data.path X`), but not before a mapping (`{...}`)."""
    expanded = []
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        option, equals, value = argument.partition("=")
        if not (value if equals else following).lstrip().startswith("{"):
            option = SHORT.get(option, option)
        expanded.append(option + equals + value)
    return expanded


def _is_digits_of_a_text(option: str, argument: str) -> bool:
    """Whether this is a name or a path of digits alone, which may be of any length, as the value of an option that takes a text."""
    if argument.startswith("--"):
        option, _, argument = argument.partition("=")
    kind = setting_types().get(option.removeprefix("--"), str if option in ("--out", "--recipe") else None)
    return bool(re.fullmatch(r"[-+]?\d+", argument)) and (kind is str or str in get_args(kind))


def _refuse_unbounded(argument: str) -> None:
    """jsonargparse reads values as YAML and writes out what aliases stand for."""
    if _ONE_WORD.fullmatch(argument):
        return
    for text in {argument, argument.partition("=")[2]}:
        try:
            yaml_value(text)
        except UnboundedError as problem:
            raise KinsightError(f"'{short(argument)}' cannot be read ({problem}); write the value out") from None
        except ValueError:
            continue  # a text, which may be one that is no YAML


def _refuse_wrong_keys(settings: Mapping[str, Any], prefix: str = "") -> None:
    known = setting_types()
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in known:
            # jsonargparse lets null pass for every type.
            if value is None and type(None) not in get_args(known[name]):
                raise KinsightError(f"setting {name}: null is not allowed; write {allowed(known[name])}")
        elif any(other.startswith(f"{name}.") for other in known):
            if not isinstance(value, Mapping):
                keys = ", ".join(other for other in known if other.startswith(f"{name}."))
                raise KinsightError(
                    f"'{name}' is a group of settings and cannot be {short(repr(value))}; write one of {keys}"
                )
            _refuse_wrong_keys(value, f"{name}.")
        else:
            raise KinsightError(f"'{short(name)}' is not a setting; {hint(name, list(known))}")


def _one_sentence(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    wrong = re.search(r'Parser key "([^"]+)".*(?:Got|Given) value: (.*)$', text)
    if wrong and wrong[1] in setting_types():
        return f"setting {wrong[1]}: '{short(wrong[2])}' is not allowed; write {allowed(setting_types()[wrong[1]])}"
    return f"{short(text.rstrip('. '), 400)}; `kinsight train --help` lists every option"
