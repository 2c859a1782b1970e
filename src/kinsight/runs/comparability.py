"""Whether the numbers of runs may be compared: everything that moves them, beside what is compared, must agree.

Some facts must agree between all runs (the pictures that are searched, how they are searched, how the checkpoint was chosen); others only
between runs of one fold, because folds differ in their training and validation classes on purpose. A model's own affairs (its size of
pictures, its dimension) and everything in the recipe are what is compared, not protocol.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kinsight.errors import KinsightError
from kinsight.evaluation import describe
from kinsight.runs.evaluated_run import EvaluatedRun, flat
from kinsight.runs.protocol import LAST_STEP, DataProtocol, Selection

_NAMED = 3  # disagreements that a sentence names

Scope = tuple[Any, ...]  # empty: must agree between all runs; a fold: between the runs of that fold
Groups = tuple[tuple[str, tuple[str, ...]], ...]  # each value with the runs that have it


@dataclass(frozen=True)
class Fact:
    """Something of a run that must agree with others.

    Attributes:
        key: what it is.
        value: None where it is not known.
        words: what to call it in a sentence; its key where empty.
        scope: among which runs it must agree.
        follows: the fact beside which it says nothing new when both differ between the same runs.
    """

    key: str
    value: Any
    words: str = ""
    scope: Scope = ()
    follows: str = ""


@dataclass(frozen=True)
class Disagreement:
    """Something that must agree and does not.

    Attributes:
        key: what it is.
        words: what to call it.
        groups: each value found with the runs that have it, first seen first.
    """

    key: str
    words: str
    groups: Groups

    def __str__(self) -> str:
        if self.key.endswith("digest"):
            return f"{self.words} differs between {' and '.join(_some(runs) for _, runs in self.groups)}"
        return f"{self.words} is {_spread(self.groups)}"

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The runs on each side."""
        return tuple(runs for _, runs in self.groups)


def disagreements(runs: Sequence[EvaluatedRun], metrics: Iterable[str]) -> list[Disagreement]:
    """What makes the `metrics` of these runs incomparable, the plainest first; empty if nothing does."""
    wanted = set(metrics)
    tables = [{fact.key: fact for fact in (*_measured(run, wanted), *_trained(run))} for run in runs]
    found: list[Disagreement] = []
    follows: dict[str, str] = {}
    for key in dict.fromkeys(key for table in tables for key in table):
        known = next(table[key] for table in tables if key in table)
        follows[key] = known.follows
        # Most runs are measured on the data they were trained on: the same is said once.
        facts = [table.get(key, Fact(key, None, scope=_pictures(run))) for run, table in zip(runs, tables, strict=True)]
        for scope in dict.fromkeys(fact.scope for fact in facts):
            groups = _groups([(run, fact.value) for run, fact in zip(runs, facts, strict=True) if fact.scope == scope])
            if len(groups) > 1:
                found.append(Disagreement(key, known.words or key, groups))
    said = {(each.key, each.sides) for each in found}
    return [each for each in found if (follows[each.key], each.sides) not in said]


def sentence(found: Sequence[Disagreement]) -> str:
    """One sentence that refuses, names what differs between which runs, and says what to do."""
    said = ", and ".join(str(each) for each in found[:_NAMED])
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"the numbers of these runs do not compare: {said}{more}; give runs of one protocol, or --anyway (anyway=True) to see them "
        "side by side with this said"
    )


def remarks(runs: Sequence[EvaluatedRun]) -> list[str]:
    """What differs between runs without forbidding a comparison: names of the data, machines, precision, versions."""
    noted: dict[str, list[Any]] = {
        "The name of the measured data": [run.evaluation.protocol.data.source for run in runs],
        "The name of the training data": [run.protocol.data.source for run in runs],
        "The device (minutes)": [run.protocol.training.device for run in runs],
        "The number of threads (minutes)": [run.protocol.training.threads for run in runs],
        "The number of processes (minutes)": [run.protocol.training.processes for run in runs],
        "The precision of training": [run.protocol.training.precision for run in runs],
    }
    said = _differing(noted, runs)
    unfinished = [run.path for run in runs if run.protocol.selection is None]
    if unfinished:
        said.append(f"Training has not come to its end in {', '.join(unfinished)}.")
    for when, versions in (
        ("training", [run.protocol.versions for run in runs]),
        ("evaluating", [run.evaluation.protocol.versions or {} for run in runs]),
    ):
        libraries = dict.fromkeys(library for each in versions for library in each)
        said += _differing(
            {f"The version of {name} when {when}": [each.get(name) for each in versions] for name in libraries}, runs
        )
    return said


def _measured(run: EvaluatedRun, wanted: set[str]) -> Iterator[Fact]:
    """What an evaluation says that must agree, the plainest first."""
    record, data, pictures = run.evaluation, run.evaluation.protocol.data, _pictures(run)
    yield Fact("split", record.split, "the split")
    yield Fact("model", record.model, "the model")
    yield from (Fact(f"data.{key}", value) for key, value in _data(data))
    facts = [
        Fact(name, other, words, pictures)
        for key, value, words in record.protocol.facts_behind(wanted)
        for name, other in flat({key: value}).items()
    ]
    counts = [fact for fact in facts if fact.key in ("classes", "queries", "gallery")]
    yield from counts
    yield Fact(
        "data.digest",
        data.digest,
        "what was measured on (the digest of ids, labels and splits)",
        scope=(data.fold,),
    )
    yield from (fact for fact in facts if fact not in counts)


def _trained(run: EvaluatedRun) -> Iterator[Fact]:
    """What training says that must agree."""
    data, fold = run.protocol.data, (run.fold,)
    held_out = "validation" in data.splits
    known = [data.splits[name] for name in ("train", "validation") if name in data.splits]
    train = data.splits.get("train")
    yield Fact(
        "training.held_out",
        held_out if data.splits else None,
        "whether validation classes were held out of training",
    )
    yield Fact("training.selection", _choice(run.protocol.selection), "the choice of the checkpoint")
    yield from (Fact(f"training.data.{key}", value, follows=f"data.{key}") for key, value in _data(data))
    yield Fact("training.data.folds", data.folds if held_out else None)
    for count in ("classes", "pictures"):
        yield Fact(f"training.{count}", getattr(train, count, None), f"the number of training {count}", scope=fold)
    for count in ("classes", "pictures"):
        yield Fact(
            f"training.all_{count}",
            sum(getattr(split, count) or 0 for split in known),
            f"the number of training and validation {count}",
            follows=f"training.{count}",
        )
    yield Fact(
        "training.data.digest",
        data.digest,
        "what was trained on (the digest of ids, labels and splits)",
        scope=fold,
        follows="data.digest",
    )


def _data(data: DataProtocol) -> Iterator[tuple[str, Any]]:
    """What must agree between all runs, whatever their folds."""
    yield "split_by", data.split_by
    yield "crop_to_box", data.crop_to_box
    yield "rendered", data.rendered


def _choice(selection: Selection | None) -> str:
    """How a checkpoint was chosen; at which step, and with what value, is the recipe's affair."""
    if selection is None:
        return "not made yet"
    if selection.by == LAST_STEP:
        return "last step, without validation classes"
    try:
        return f"best validation {describe(selection.by).title}"
    except KinsightError:
        return f"best validation {selection.by}"


def _pictures(run: EvaluatedRun) -> Scope:
    """Every fold searches the same test pictures, but its own validation and training pictures."""
    return (run.evaluation.protocol.data.fold,) if run.evaluation.split in ("train", "validation") else ()


def _groups(values: Sequence[tuple[EvaluatedRun, Any]]) -> Groups:
    groups: dict[str, list[str]] = {}
    for run, value in values:
        groups.setdefault(_written(value), []).append(run.path)
    return tuple((value, tuple(names)) for value, names in groups.items())


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"' if " " in value else value
    return json.dumps(value, sort_keys=True)


def _differing(noted: dict[str, list[Any]], runs: Sequence[EvaluatedRun]) -> list[str]:
    groups = {what: _groups(list(zip(runs, values, strict=True))) for what, values in noted.items()}
    return [f"{what} is {_spread(found)}." for what, found in groups.items() if len(found) > 1]


def _spread(groups: Groups) -> str:
    return ", but ".join(f"{value} in {_some(names)}" for value, names in groups)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
