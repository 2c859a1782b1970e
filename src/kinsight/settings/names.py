"""What settings are called, what each allows, and what a name that is none may have meant."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin

from kinsight.settings.training import TrainingSettings
from kinsight.typed import type_hints

# `--data X` and `--model.head X` are short for the key that a person means.
SHORT = {
    "--data": "--data.path",
    "--path_column": "--data.path_column",
    "--label_column": "--data.label_column",
    "--root": "--data.root",
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
# Words that other tools use for what a key says here.
_SAID = {
    "learning_rate": "lr",
    "batch_size": "batches_size",
    "batch": "batches",
    "num_workers": "workers",
    "wd": "weight_decay",
    "backbone": "trunk",
    "arch": "trunk",
    "image_size": "model_size",
    "img_size": "model_size",
    "dataset": "data_path",
    "num_epochs": "epochs",
    "output": "out",
    "amp": "precision",
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


def setting_types(settings: Any = TrainingSettings, prefix: str = "") -> dict[str, Any]:
    """Every setting by its full name and its type; a choice such as a head or a loss is one setting."""
    found: dict[str, Any] = {}
    for name, kind in type_hints(settings).items():
        found |= setting_types(kind, f"{prefix}{name}.") if is_dataclass(kind) else {f"{prefix}{name}": kind}
    return found


def hint(name: str, known: Sequence[str], everything: str = "`kinsight train --help` lists every setting") -> str:
    """How to repair a name that is none of the known ones.

    >>> hint("--lr", ["--epochs", "--optimizer.trunk_lr", "--optimizer.head_lr"])
    "did you mean '--optimizer.trunk_lr' or '--optimizer.head_lr'?"
    """
    renamed = re.sub(r"\w+", lambda word: RENAMED.get(word[0], word[0]), name)
    if renamed != name and any(other == renamed or other.startswith(f"{renamed}.") for other in known):
        shape = ", for example {head.queries: {weight_decay: 0.001}}" if name.endswith("other_decays") else ""
        return f"it is now called '{renamed}'{shape}"
    meant = [f"'{each}'" for each in _meant(short(name), known)]
    return f"did you mean {' or '.join(meant)}?" if meant else everything


def _meant(name: str, known: Sequence[str]) -> list[str]:
    """The names that hold all words of this one; else the one that is spelled most like it, whole or in its last part."""
    words = _words(name)
    holding = [other for other in known if words and words <= _words(other)]
    if holding:
        fewest = min(len(_words(other)) for other in holding)
        return [other for other in holding if len(_words(other)) == fewest][:4]
    close = difflib.get_close_matches(name, known, n=1)
    if close or not name.strip("-"):
        return close
    ends: dict[str, list[str]] = {}
    for other in known:
        ends.setdefault(other.rpartition(".")[2].strip("-"), []).append(other)
    last = difflib.get_close_matches(name.rpartition(".")[2].strip("-"), ends, n=1, cutoff=0.75)
    return ends[last[0]] if last else []


def _words(name: str) -> set[str]:
    text = name.lower().strip("-").replace("-", "_")
    for said, meant in _SAID.items():
        text = re.sub(rf"(?<![a-z]){said}(?![a-z])", meant, text)
    return set(filter(None, re.split(r"[._]+", text)))


def allowed(kind: Any) -> str:
    """The values of a type, in words."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(allowed(each) for each in get_args(kind))
    return _WORDS.get(get_origin(kind) or kind, "something else")


def short(text: str, most: int = 120) -> str:
    """A text cut to a length that a sentence can hold."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
