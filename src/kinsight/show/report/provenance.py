"""The words of a report: what was trained on what, every setting that moves a number, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinsight.runs.results import Result, Run

Entry = tuple[str, str, bool]  # the term, its value, whether the value is code

TITLES = {"data": "Data", "model": "Model", "training": "Training", "versions": "Versions"}
LONG = 12  # hexadecimal digits shown of a digest; the footer has it whole


@dataclass(frozen=True)
class Group:
    """A titled list of terms and values."""

    title: str
    entries: list[Entry]


def sentence(run: Run, result: Result | None) -> str:
    """One sentence: which model, trained with what on what, measured on what; only what is known."""
    model, data, training = (_part(run.protocol, name) for name in ("model", "data", "training"))
    if not model and not data:
        return ""
    words = [_model_words(model)]
    trained = _split_words(data, "train")
    loss, epochs = _name(training.get("loss")), training.get("epochs")
    if data.get("source"):
        words.append(f"trained{f' with the {loss} loss' if loss else ''} on {data['source']}")
    if trained:
        words.append(f"({trained})")
    if epochs:
        words.append(f"for {epochs} epoch{'s' if epochs != 1 else ''}")
    text = " ".join(words)
    measured = _measured_words(data, result)
    return text + (f"; measured on {measured}." if measured else ".")


def is_rendered(run: Run, result: Result | None) -> bool:
    """Whether the pictures trained on or measured on are rendered."""
    measured = _part(result.protocol, "data") if result else {}
    return any(data.get("rendered") is True for data in (_part(run.protocol, "data"), measured))


def protocol_groups(run: Run, result: Result | None) -> list[Group]:
    """Everything that moves a number, as groups of terms and values; unknown keys are shown as they are."""
    groups = []
    loose: list[Entry] = []
    for name, value in run.protocol.items():
        if name == "versions":
            continue  # in the footer
        if isinstance(value, Mapping):
            groups.append(Group(TITLES.get(name, spoken(name).capitalize()), entries(value)))
        elif value is not None:
            loose += entries({name: value})
    if result is not None:
        measured = {name: value for name, value in result.protocol.items() if name not in ("data", "versions")}
        loose += entries(measured)
        other = _part(result.protocol, "data")
        if other.get("digest") != _part(run.protocol, "data").get("digest"):
            groups.append(Group("Measured on", entries(other)))
    if loose:
        groups.append(Group("Measurement", loose))
    return [group for group in groups if group.entries]


def facts(run: Run, result: Result | None) -> list[tuple[str, str]]:
    """The small print: digests whole, machine, versions."""
    found = []
    model = _part(result.protocol, "model") if result else {}
    digests = {
        "Data digest": _part(run.protocol, "data").get("digest"),
        "Model digest": _part(run.protocol, "model").get("digest") or model.get("digest"),
    }
    found += [(term, str(value)) for term, value in digests.items() if value]
    trained_with = _part(run.protocol, "versions")
    measured_with = _part(result.protocol, "versions") if result else {}
    found.append(("Versions", _versions({**measured_with, **trained_with})))
    if any(trained_with.get(name, value) != value for name, value in measured_with.items()):
        found.append(("Versions at the measurement", _versions(measured_with)))
    return [(term, value) for term, value in found if value]


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def commands(run: Run) -> list[str]:
    """The command lines that make the run and its evaluations again from its recipe; none without a recipe.

    Evaluations on other data than the run's own are left out: where those data are is not stored.
    """
    if not run.recipe:
        return []
    name = shlex.quote(run.folder.resolve().name)
    lines = [f"kinsight train --recipe recipe.yaml --out {name}"]
    measured = {result.name: result for result in run.results}
    for split in sorted(
        {result.split for result in run.results if result.name == result.split}, key=lambda one: one != "test"
    ):
        options = "" if split == "test" else f" --split {shlex.quote(split)}"
        options += " --untrained" if f"{split}-untrained" in measured else ""
        options += " --groups" if f"{split}-group-0" in measured else ""
        lines.append(f"kinsight evaluate {name}{options}")
    return lines


def entries(values: Mapping[str, Any]) -> list[Entry]:
    """A mapping as terms and readable values; absent values are left out, nested mappings become one line."""
    found = []
    for key, value in values.items():
        if value is None or value in ({}, [], ""):
            continue
        if key == "splits" and isinstance(value, Mapping):
            found += [(f"{split} split", _counts(count), False) for split, count in value.items()]
        elif key.endswith("digest"):
            found.append((spoken(key), str(value)[:LONG], True))
        else:
            found.append((spoken(key), readable(value), False))
    return found


def readable(value: Any) -> str:
    """A value in words and figures: yes and no, thousands apart, lists and mappings in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10_000 else f"{value:g}"
    if isinstance(value, Mapping):
        name = value.get("name")
        rest = [
            f"{spoken(key)} {str(one)[:LONG] if key.endswith('digest') else readable(one)}"
            for key, one in value.items()
            if key != "name" and one not in (None, {}, [], "")
        ]
        return " · ".join([str(name), *rest] if name else rest)
    if isinstance(value, (list, tuple)):
        return ", ".join(readable(one) for one in value)
    return str(value)


def spoken(key: str) -> str:
    """`learning_rate` -> `learning rate`."""
    return str(key).replace("_", " ")


def _model_words(model: Mapping[str, Any]) -> str:
    if not model.get("trunk"):
        return "A model"
    head = _name(model.get("head"))
    dim = f"{model['dim']} dimensions" if model.get("dim") else ""
    inside = ", ".join(word for word in (f"{head} head" if head else "", dim) if word)
    return f"{model['trunk']}{f' ({inside})' if inside else ''}"


def _measured_words(data: Mapping[str, Any], result: Result | None) -> str:
    if result is None:
        return ""
    other = _part(result.protocol, "data")
    counts = _split_words(other or data, result.split)
    source = other.get("source")
    elsewhere = f" of {source}" if source and source != data.get("source") else ""
    return f"the {result.split} split{elsewhere}{f' ({counts})' if counts else ''}"


def _split_words(data: Mapping[str, Any], split: str) -> str:
    counts = _part(data, "splits").get(split)
    if isinstance(counts, Mapping) and "pictures" in counts:
        classes = f" of {counts['classes']:,} classes" if isinstance(counts.get("classes"), int) else ""
        return f"{counts['pictures']:,} pictures{classes}"
    return f"{counts:,} pictures" if isinstance(counts, int) else ""


def _counts(counts: Any) -> str:
    if not isinstance(counts, Mapping) or "pictures" not in counts:
        return readable(counts)
    text = f"{counts['pictures']:,} pictures"
    if "classes" in counts:
        text += f", {counts['classes']:,} classes"
    least, most = counts.get("min_per_class"), counts.get("max_per_class")
    if least is not None and most is not None:
        text += f" of {least} to {most}" if least != most else f" of {least}"
    if "queries" in counts:
        text += f"; {counts['queries']:,} queries, {counts.get('gallery', 0):,} in the gallery"
    return text


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("name")
    return str(value).replace("_", " ").replace("-", " ") if value else ""
