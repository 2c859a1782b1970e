"""Settings from recipes, files and the command line, checked against the typed dataclasses by jsonargparse."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from kinsight.errors import KinsightError
from kinsight.training.recipe import merge, read_recipe
from kinsight.training.settings import TrainingSettings

# `--data X` and `--model.head X` are short for the key that a person means.
SHORT = {
    "--data": "--data.path",
    "--model.head": "--model.head.name",
    "--objective.loss": "--objective.loss.name",
    "--objective.miner": "--objective.miner.name",
}


def settings_parser(prog: str = "kinsight train") -> ArgumentParser:
    """A parser whose options are the fields of TrainingSettings."""
    parser = ArgumentParser(prog=prog, exit_on_error=False, description="Train an embedder.")
    parser.add_class_arguments(TrainingSettings, as_group=False)
    return parser


def settings_from(*layers: Mapping[str, Any] | str) -> TrainingSettings:
    """Checked settings from layers, later ones overriding earlier ones: nested mappings, recipe names or YAML files.

    >>> settings_from("proxy-anchor-mobilenetv2", {"epochs": 4}).epochs
    4

    Raises:
        KinsightError: an unknown recipe or key, or a value of the wrong type.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, read_recipe(layer) if isinstance(layer, str) else layer)
    parser = settings_parser()
    _refuse_unknown(merged, parser)
    defaults = parser.get_defaults().as_dict()
    try:
        # Merged onto the defaults here, so that an option of a head or loss keeps its neighbours' defaults.
        checked = parser.parse_object(merge(defaults, merged))
        return TrainingSettings(**vars(parser.instantiate(checked)))
    except (ArgumentError, TypeError, ValueError) as problem:
        raise KinsightError(_one_sentence(problem)) from None


def expand_short_options(arguments: Sequence[str]) -> list[str]:
    """Replace the short forms (`--data X`) by the full keys (`--data.path X`)."""
    expanded = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        expanded.append(SHORT.get(option, option) + equals + value)
    return expanded


def _refuse_unknown(settings: Mapping[str, Any], parser: ArgumentParser, prefix: str = "") -> None:
    known = _keys(parser)
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name in known:
            continue
        if isinstance(value, Mapping) and any(other.startswith(f"{name}.") for other in known):
            _refuse_unknown(value, parser, f"{name}.")
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else "`kinsight train --help` lists every key"
        raise KinsightError(f"'{name}' is not a setting; {hint}")


def _keys(parser: ArgumentParser) -> list[str]:
    """The full names of all settings; dictionaries (a head, a loss) are one name."""
    return [
        action.dest for action in parser._actions if action.dest not in ("help", "data", "model", "objective", *GROUPS)
    ]


GROUPS = ("batches", "optimiser", "schedule")


def _one_sentence(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    found = re.search(r'Parser key "([^"]+)": (.*)', text)
    if found:
        return f"setting {found[1]}: {found[2].rstrip('. ')}; `kinsight train --help` says what it takes"
    return f"{text.rstrip('. ')}; `kinsight train --help` lists every setting"
