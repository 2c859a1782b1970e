"""Runs that differ only in seed and fold are one setting: grouped, named, and told apart by what differs in their recipes."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinsight.errors import KinsightError
from kinsight.runs.evaluated_run import EvaluatedRun
from kinsight.typed import to_plain


@dataclass(frozen=True)
class Setting:
    """Runs of one recipe and one data set, each with another seed or fold."""

    name: str
    runs: tuple[EvaluatedRun, ...]

    @property
    def recipe(self) -> dict[str, Any]:
        """Flat settings that all its runs share."""
        return self.runs[0].settings


def settings_of(runs: Sequence[EvaluatedRun]) -> list[Setting]:
    """The settings of these runs, first seen first.

    A setting's name is what the names of its folders share without seed and fold: `birds-a-0` and `birds-a-1` are `birds-a`.

    Raises:
        KinsightError: two runs have the same settings, seed and fold.
    """
    groups: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        groups.setdefault(_identity(run), []).append(run)
    for group in groups.values():
        _refuse_repeats(group)
    return [
        Setting(name, tuple(group)) for name, group in zip(_names(list(groups.values())), groups.values(), strict=True)
    ]


def recipe_differences(settings: Sequence[Setting]) -> dict[str, dict[str, Any]]:
    """The recipe keys that differ between settings, each with its value by setting (None: not set).

    A default of an option that only some have (another head, another loss) says no more than the name that is shown already.
    """
    keys = sorted({key for setting in settings for key in setting.recipe})
    keys = [key for key in keys if _telling(key, settings)]
    tables = {key: {setting.name: setting.recipe.get(key) for setting in settings} for key in keys}
    return {key: values for key, values in tables.items() if len({_text(value) for value in values.values()}) > 1}


def find_setting(settings: Sequence[Setting], wanted: str | None) -> Setting:
    """The setting of that name, of that run folder, or the only one whose name has it as a part, a beginning or an end; None: the first.

    Raises:
        KinsightError: there is none, or there are several.
    """
    if wanted is None:
        return settings[0]
    parts = re.compile(rf"(^|[-_.]){re.escape(wanted)}($|[-_.])")
    rules = (
        lambda setting: setting.name == wanted,
        lambda setting: any(wanted in (run.name, run.path) for run in setting.runs),
        lambda setting: parts.search(setting.name) is not None,
        lambda setting: setting.name.startswith(wanted) or setting.name.endswith(wanted),
    )
    for rule in rules:
        found = [setting for setting in settings if rule(setting)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(setting.name for setting in found)
            raise KinsightError(f"baseline '{wanted}' may be any of {names}; write the whole name of one")
    known = ", ".join(setting.name for setting in settings)
    raise KinsightError(f"baseline '{wanted}' is none of the settings compared; write one of: {known}")


def _telling(key: str, settings: Sequence[Setting]) -> bool:
    having = [setting for setting in settings if key in setting.recipe]
    return len(having) == len(settings) or any(key in run.written for setting in having for run in setting.runs)


def _identity(run: EvaluatedRun) -> str:
    """Settings that share it are one: recipe, whether classes were held out, and the data, by what folds do not change."""
    splits = run.protocol.data.splits
    known = [splits[name] for name in ("train", "validation") if name in splits]
    sizes = [sum(split.classes or 0 for split in known), sum(split.pictures or 0 for split in known)]
    return _text([run.settings, run.fold is None, sizes, to_plain(splits["test"]) if "test" in splits else None])


def _refuse_repeats(runs: Sequence[EvaluatedRun]) -> None:
    seen: dict[Any, EvaluatedRun] = {}
    for run in runs:
        other = seen.setdefault(run.cell, run)
        if other is not run:
            fold = "" if run.fold is None else f" and fold {run.fold}"
            raise KinsightError(
                f"{other.path} and {run.path} have the same settings with seed {run.seed}{fold}; leave one of them out"
            )


def _names(groups: Sequence[Sequence[EvaluatedRun]]) -> list[str]:
    """A name for each group: as short as it can be with no two alike."""
    ways = (
        [_shared([_stem(run) for run in group]) for group in groups],
        [group[0].name for group in groups],
        [os.path.join(os.path.basename(_parent(group[0])), group[0].name) for group in groups],
        [group[0].path for group in groups],
    )
    return next(names for names in ways if len(set(names)) == len(names) and all(names))


def _stem(run: EvaluatedRun) -> str:
    """The folder's name without its seed and fold at the end; of `birds/0` the folder above."""
    name = run.name
    left = [number for number in (run.seed, run.fold) if number is not None]
    while match := re.search(r"(?:^|[-_.])(?:seed|fold|s|f)?[-_.]?(\d+)$", name):
        if int(match[1]) not in left:
            break
        left.remove(int(match[1]))
        name = name[: match.start()]
    return name or os.path.basename(_parent(run))


def _shared(stems: Sequence[str]) -> str:
    letters = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*stems, strict=False))
    return "".join(column[0] for column in letters).rstrip("-_.") or stems[0]


def _parent(run: EvaluatedRun) -> str:
    return os.path.dirname(os.path.abspath(run.path))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def cells_in_words(cells: Iterable[tuple[int, int | None]]) -> str:
    """`seed 0, 1; fold 2 seed 0`: where runs stand."""
    folds: dict[int | None, list[int]] = {}
    for seed, fold in cells:
        folds.setdefault(fold, []).append(seed)
    return "; ".join(
        f"{'' if fold is None else f'fold {fold} '}seed {', '.join(map(str, sorted(seeds)))}"
        for fold, seeds in folds.items()
    )
