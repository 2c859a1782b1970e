"""The words of a report: what was trained on what, every setting that moves a number, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinsight.runs.contents import RunContents
from kinsight.runs.evaluations import EvaluationRecord
from kinsight.runs.protocol import LAST_STEP, DataProtocol, ModelProtocol, Selection, SplitProtocol
from kinsight.show.metrics import is_fraction, title_of
from kinsight.typed import to_plain

Entry = tuple[str, str, bool]  # the term, its value, whether the value is code

TITLES = {"data": "Data", "model": "Model", "training": "Training"}  # versions stand in the footer
LONG = 12  # hexadecimal digits shown of a digest; the footer has it whole


@dataclass(frozen=True)
class Group:
    """A titled list of terms and values."""

    title: str
    entries: list[Entry]


def sentence(run: RunContents, result: EvaluationRecord | None) -> str:
    """One sentence: which model, trained with what on what, measured on what; only what is known."""
    data, training = run.protocol.data, run.protocol.training
    if run.protocol.model == ModelProtocol() and data == DataProtocol():
        return ""
    words = [_model_words(run.protocol.model)]
    trained = _split_words(data, "train")
    loss, epochs = _name(training.loss), training.epochs
    if data.source:
        words.append(f"trained{f' with the {loss} loss' if loss else ''} on {data.source}")
    if trained:
        words.append(f"({trained})")
    if epochs:
        words.append(f"for {epochs} epoch{'s' if epochs != 1 else ''}")
    text = " ".join(words)
    measured = _measured_words(data, result)
    return text + (f"; measured on {measured}." if measured else ".")


def is_rendered(run: RunContents, result: EvaluationRecord | None) -> bool:
    """Whether the pictures trained on or measured on are rendered."""
    return bool(run.protocol.data.rendered or (result and result.protocol.data.rendered))


def protocol_groups(run: RunContents, result: EvaluationRecord | None) -> list[Group]:
    """Everything that moves a number, as groups of terms and values; unknown keys are shown as they are."""
    known = run.protocol
    plain = to_plain(known)
    groups = [Group(title, entries(plain.get(name, {}))) for name, title in TITLES.items()]
    loose: list[Entry] = []
    if known.selection is not None:
        loose.append(("selection", selection_words(known.selection, known.training.steps_done), False))
    for name, value in known.more.items():
        if isinstance(value, Mapping):
            groups.append(Group(spoken(name).capitalize(), entries(value)))
        elif value is not None:
            loose += entries({name: value})
    if result is not None:
        measured = to_plain(result.protocol)
        loose += entries({name: value for name, value in measured.items() if name not in ("data", "versions")})
        if result.protocol.data.digest != known.data.digest:
            groups.append(Group("Measured on", entries(measured.get("data", {}))))
    if loose:
        groups.append(Group("Measurement", loose))
    return [group for group in groups if group.entries]


def selection_words(selection: Selection, steps: int | None) -> str:
    """Which step's model stands for the run, and why."""
    of = f" of {steps:,}" if steps is not None else ""
    if selection.by == LAST_STEP:
        return f"last step ({selection.step:,}); no validation classes were held out"
    value = ""
    if selection.value is not None:
        value = f" ({100 * selection.value:.1f} %)" if is_fraction(selection.by) else f" ({selection.value:.4g})"
    where = "before the first step" if selection.step == 0 else f"at step {selection.step:,}{of}"
    return f"best validation {title_of(selection.by)}{value}, {where}"


def facts(run: RunContents, result: EvaluationRecord | None) -> list[tuple[str, str]]:
    """The small print: digests whole, machine, versions."""
    measured = result.protocol if result else None
    digests = {
        "Data digest": run.protocol.data.digest,
        "Model digest": run.protocol.model.digest or (measured.model.digest if measured else None),
    }
    found = [(term, value) for term, value in digests.items() if value]
    trained_with = run.protocol.versions
    measured_with = (measured.versions if measured else None) or {}
    found.append(("Versions", _versions({**measured_with, **trained_with})))
    if any(trained_with.get(name, value) != value for name, value in measured_with.items()):
        found.append(("Versions at the measurement", _versions(measured_with)))
    return [(term, value) for term, value in found if value]


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def commands(run: RunContents) -> list[str]:
    """The command lines that make the run and its evaluations again from its recipe; none without a recipe.

    Evaluations on other data than the run's own are left out: where those data are is not stored.
    """
    if not run.recipe:
        return []
    name = shlex.quote(run.name)
    lines = [f"kinsight train --recipe recipe.yaml --out {name}"]
    measured = {result.name: result for result in run.evaluations}
    for split in sorted(
        {result.split for result in run.evaluations if result.name == result.split}, key=lambda one: one != "test"
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


def _model_words(model: ModelProtocol) -> str:
    if not model.trunk:
        return "A model"
    head = _name(model.head)
    dim = f"{model.dim} dimensions" if model.dim else ""
    inside = ", ".join(word for word in (f"{head} head" if head else "", dim) if word)
    streams = model.more.get("streams")
    views = f", one for {' and one for '.join(map(str, streams))}" if isinstance(streams, Mapping) else ""
    return f"{model.trunk}{views}{f' ({inside})' if inside else ''}"


def _measured_words(data: DataProtocol, result: EvaluationRecord | None) -> str:
    if result is None:
        return ""
    other = result.protocol.data
    counts = _split_words(data if other == DataProtocol() else other, result.split)
    elsewhere = f" of {other.source}" if other.source and other.source != data.source else ""
    return f"the {result.split} split{elsewhere}{f' ({counts})' if counts else ''}"


def _split_words(data: DataProtocol, name: str) -> str:
    split = data.splits.get(name, SplitProtocol())
    if split.pictures is None:
        return ""
    return f"{split.pictures:,} pictures" + (f" of {split.classes:,} classes" if split.classes is not None else "")


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


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("name")
    return str(value).replace("_", " ").replace("-", " ") if value else ""
