"""What a study is: data, methods, settings that all methods share, and how often everything is done; `study.yaml` of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kinsight.errors import KinsightError
from kinsight.files import write_text
from kinsight.reading import MEGABYTE, read_text
from kinsight.settings.recipe import differences
from kinsight.settings.training import moves_numbers
from kinsight.settings.yaml_mapping import yaml_mapping
from kinsight.typed import from_plain, to_plain

METRICS = ("precision_at_1", "r_precision", "map_at_r")
_RESTORE = "restore it, or choose another --out"


@dataclass(frozen=True)
class Dimension:
    """The range in which a setting is searched.

    Attributes:
        low, high: its ends, both allowed.
        default: where the search begins.
        log: whether values are drawn evenly in the logarithm.
        whole: whether only whole numbers are allowed.
    """

    low: float
    high: float
    default: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Method:
    """One row of the study's tables.

    Attributes:
        name: what it is called on the command line.
        title: what it is called in tables.
        settings: what of the study's settings it changes, nested.
        search: by full name (`objective.loss.margin`) the settings that are searched.
        baseline: the method that differs in nothing but what this one is about.
    """

    name: str
    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Dimension] = field(default_factory=dict)
    baseline: str | None = None


@dataclass(frozen=True)
class Study:
    """Everything that decides the numbers of a study.

    Attributes:
        settings: of a training, nested and complete; what a method does not change.
        methods: in the order of the tables.
        data: digest of the pictures, labels and splits.
        folds: class folds of the training half; each trains on all but one and validates on that one.
        trials: of the search, each over all folds; 0: nothing is searched.
        repeats: trainings with the best setting, each over all folds.
        seed: of the search and of all trainings.
        metrics: what is measured on the test half.
    """

    settings: dict[str, Any]
    methods: tuple[Method, ...]
    data: str
    folds: int = 4
    trials: int = 10
    repeats: int = 3
    seed: int = 0
    metrics: tuple[str, ...] = METRICS

    def method(self, name: str) -> Method:
        """The method of that name."""
        return next(each for each in self.methods if each.name == name)


class StudyFolder:
    """Paths of a study: `study.yaml`, `runs/`, `features/`, the tables and the page."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.study = self.path / "study.yaml"
        self.runs = self.path / "runs"
        self.features = self.path / "features"
        self.page = self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a study has been started here."""
        return self.study.is_file()

    def read(self) -> Study:
        """The study.

        Raises:
            KinsightError: there is none, or it is damaged.
        """
        if not self.exists:
            raise KinsightError(f"{self.path} holds no study (no study.yaml); give --data and --methods to begin one")
        try:
            content = yaml_mapping(read_text(self.study, most=MEGABYTE, otherwise=_RESTORE))
        except ValueError as problem:
            raise KinsightError(f"{self.study} is not valid YAML ({problem}); {_RESTORE}") from None
        return study_from(content, str(self.study))

    def claim(self, study: Study) -> None:
        """Store the study, or see that it is the one that stands here; methods and repeats may be added to it.

        Raises:
            KinsightError: the folder holds another study, or something else.
        """
        if self.exists:
            if changes := _changes(self.read(), study):
                raise KinsightError(
                    f"{self.path} holds another study ({'; '.join(changes[:3])}); give only --out to go on with it, or choose another --out"
                )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise KinsightError(f"{self.path} is not empty and holds no study; give a new or empty folder as --out")
        text = yaml.safe_dump(plain(study), sort_keys=False, allow_unicode=True, width=118)
        write_text(
            self.study,
            f"# A study of `kinsight benchmark`; `kinsight benchmark --out {self.path}` goes on with it\n{text}",
        )


def plain(study: Study) -> dict[str, Any]:
    """The study as YAML and JSON hold it."""
    return dict(json.loads(json.dumps(to_plain(study))))


def study_from(content: Mapping[str, Any], where: str) -> Study:
    """The study that `plain` gave.

    Raises:
        KinsightError: it is damaged.
    """
    found = from_plain(Study, content, where, otherwise=_RESTORE)
    names = [method.name for method in found.methods]
    if not names or len(set(names)) < len(names) or found.folds < 2 or found.repeats < 1 or found.trials < 0:
        raise KinsightError(
            f"{where} is damaged (it has no methods, or one twice, or too few folds or repeats); {_RESTORE}"
        )
    return found


def _changes(old: Study, new: Study) -> list[str]:
    """Where the new one is not the old one with more."""
    before, after = plain(old), plain(new)
    known = {method["name"]: method for method in after.pop("methods")}
    methods = before.pop("methods")
    found = [f"it has the method {each['name']}" for each in methods if each["name"] not in known]
    for each in methods:
        found += differences(each, known.get(each["name"], each), f"{each['name']}: ")
    if new.repeats > old.repeats:
        after["repeats"] = before["repeats"]
    moved = [each for each in differences(before, after) if _moves_numbers(each.partition(":")[0])]
    return found + moved


def _moves_numbers(name: str) -> bool:
    return not name.startswith("settings.") or moves_numbers(name.removeprefix("settings."))
