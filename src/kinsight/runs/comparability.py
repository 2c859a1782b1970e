"""Whether the numbers of runs may be compared: everything that moves them, beside what is compared, must agree.

Some things must agree between all runs (the pictures that are searched, how they are searched, how the checkpoint was chosen); others only
between runs of one fold, because folds differ in their training and validation classes on purpose. A model's own affairs (its size of
pictures, its dimension) and everything in the recipe are what is compared, not protocol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinsight.runs.evaluated_run import EvaluatedRun, at, flat

# Of an evaluation's protocol: what moves no mean, or is looked at by itself.
_APART = ("ks", "dimension", "intervals", "versions", "data", "model", "seconds")
# What moves only some metrics.
_CONCERNS = {
    "clustering": ("nmi", "ami", "f1"),
    "whole_gallery_ranks": ("map", "mrr"),
    "hubness_k": ("hubness", "antihubs"),
}
_DATA = ("split_by", "crop_to_box", "rendered")
# What says nothing new beside another disagreement of the same runs: most runs are measured on the data they were trained on.
_IMPLIED = {
    "clustering.clusters": "classes",
    **{f"training.data.{key}": f"data.{key}" for key in (*_DATA, "digest")},
    **{f"training.all_{key}": f"training.{key}" for key in ("classes", "pictures")},
}
_WORDS = {
    "split": "the split",
    "model": "the model",
    "data.digest": "what was measured on (the digest of ids, labels and splits)",
    "labels_digest": "the digest of the evaluated labels",
    "selection_digest": "the digest of who searches whom",
    "training.data.digest": "what was trained on (the digest of ids, labels and splits)",
    "training.selection": "the choice of the checkpoint",
    "training.held_out": "whether validation classes were held out of training",
    "training.classes": "the number of training classes",
    "training.pictures": "the number of training pictures",
    "training.all_classes": "the number of training and validation classes",
    "training.all_pictures": "the number of training and validation pictures",
}
_REMARKS = {
    "evaluation.data.source": "The name of the measured data",
    "data.source": "The name of the training data",
    "training.device": "The device (minutes)",
    "training.threads": "The number of threads (minutes)",
    "training.processes": "The number of processes (minutes)",
    "training.precision": "The precision of training",
}
_NAMED = 3  # disagreements that a sentence names

Scope = tuple[Any, ...]  # empty: must agree between all runs; a fold: between the runs of that fold
Groups = tuple[tuple[str, tuple[str, ...]], ...]  # each value with the runs that have it


@dataclass(frozen=True)
class Disagreement:
    """Something that must agree and does not.

    Attributes:
        key: what it is.
        groups: each value found with the runs that have it, first seen first.
    """

    key: str
    groups: Groups

    def __str__(self) -> str:
        what = _WORDS.get(self.key, self.key)
        if self.key.endswith("digest"):
            return f"{what} differs between {' and '.join(_some(runs) for _, runs in self.groups)}"
        return f"{what} is {_spread(self.groups)}"

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The runs on each side."""
        return tuple(runs for _, runs in self.groups)


def disagreements(runs: Sequence[EvaluatedRun], metrics: Iterable[str]) -> list[Disagreement]:
    """What makes the `metrics` of these runs incomparable, the plainest first; empty if nothing does."""
    metrics = set(metrics)
    tables = [{**_measured(run, metrics), **_trained(run)} for run in runs]
    found: list[Disagreement] = []
    for key in dict.fromkeys(key for table in tables for key in table):
        facts = [table.get(key, (_pictures(run), None)) for run, table in zip(runs, tables, strict=True)]
        for scope in dict.fromkeys(scope for scope, _ in facts):
            inside = [(run, value) for run, (other, value) in zip(runs, facts, strict=True) if other == scope]
            groups = _groups(inside)
            if len(groups) > 1:
                found.append(Disagreement(key, groups))
    said = {(each.key, each.sides) for each in found}
    return [each for each in found if (_IMPLIED.get(each.key), each.sides) not in said]


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
    said = []
    for key, what in _REMARKS.items():
        groups = _groups([(run, _noted(run, key)) for run in runs])
        if len(groups) > 1:
            said.append(f"{what} is {_spread(groups)}.")
    unfinished = [run.path for run in runs if run.protocol.get("selection") is None]
    if unfinished:
        said.append(f"Training has not come to its end in {', '.join(unfinished)}.")
    for when, part in (("training", "versions"), ("evaluating", "evaluation.versions")):
        versions = [_noted(run, part) or {} for run in runs]
        for library in dict.fromkeys(name for each in versions for name in each):
            groups = _groups([(run, each.get(library)) for run, each in zip(runs, versions, strict=True)])
            if len(groups) > 1:
                said.append(f"The version of {library} when {when} is {_spread(groups)}.")
    return said


def _measured(run: EvaluatedRun, metrics: set[str]) -> dict[str, tuple[Scope, Any]]:
    """What an evaluation says that must agree, each with its scope."""
    protocol, pictures = run.measured, _pictures(run)
    passed = {*_APART, *(key for key, concerned in _CONCERNS.items() if metrics.isdisjoint(concerned))}
    rest = flat({key: value for key, value in protocol.items() if key not in passed})
    counts = [key for key in ("classes", "queries", "gallery") if key in rest]
    return {
        "split": ((), run.evaluation["split"]),
        "model": ((), run.evaluation["model"]),
        **{f"data.{key}": ((), at(protocol, f"data.{key}")) for key in _DATA},
        **{key: (pictures, rest[key]) for key in counts},
        "data.digest": ((at(protocol, "data.fold"),), at(protocol, "data.digest")),
        **{key: (pictures, value) for key, value in rest.items() if key not in counts},
    }


def _trained(run: EvaluatedRun) -> dict[str, tuple[Scope, Any]]:
    """What training says that must agree, each with its scope."""
    data, fold = run.protocol.get("data") or {}, (run.fold,)
    splits = data.get("splits") or {}
    held_out = "validation" in splits
    known = [splits[name] for name in ("train", "validation") if name in splits]
    selection = run.protocol.get("selection")
    facts: dict[str, tuple[Scope, Any]] = {
        "held_out": ((), held_out if splits else None),
        # How many steps there were is the recipe's affair; how the checkpoint was chosen is not.
        "selection": ((), "not made yet" if selection is None else re.sub(r"\d+", "N", str(selection))),
        **{f"data.{key}": ((), data.get(key)) for key in _DATA},
        "data.folds": ((), data.get("folds") if held_out else None),
        "classes": (fold, at(splits, "train.classes")),
        "pictures": (fold, at(splits, "train.pictures")),
        **{f"all_{key}": ((), sum(each.get(key, 0) for each in known)) for key in ("classes", "pictures")},
        "data.digest": (fold, data.get("digest")),
    }
    return {f"training.{key}": fact for key, fact in facts.items()}


def _pictures(run: EvaluatedRun) -> Scope:
    """Every fold searches the same test pictures, but its own validation and training pictures."""
    return (at(run.measured, "data.fold"),) if run.evaluation["split"] in ("train", "validation") else ()


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


def _noted(run: EvaluatedRun, key: str) -> Any:
    inside = key.removeprefix("evaluation.")
    return at(run.protocol, key) if inside == key else at(run.measured, inside)


def _spread(groups: Groups) -> str:
    return ", but ".join(f"{value} in {_some(names)}" for value, names in groups)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
