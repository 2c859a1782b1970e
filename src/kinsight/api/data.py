"""kinsight.check_data, list_data, render_data: what the command line calls data check, data list and data render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinsight.api.numbers import require_seed
from kinsight.data import check_table, describe, describe_sources, read_table, write_scenes, write_towns
from kinsight.data.problems import Problem, Severity
from kinsight.errors import KinsightError

# What can be rendered, and how much of it where nobody says.
RENDERED = {"birds": {"classes": 32, "per_class": 24}, "towns": {"places": 2000}}


@dataclass(frozen=True)
class CheckedData:
    """What was found in a table.

    Attributes:
        pictures: how many rows it has.
        problems: what is wrong with it, errors and warnings; `str()` of each is a sentence.
        splits: by split the number of pictures, classes, and pictures a class.
    """

    pictures: int
    problems: list[Problem]
    splits: dict[str, dict[str, float]]

    @property
    def errors(self) -> list[Problem]:
        """The problems for which the table would be refused."""
        return [problem for problem in self.problems if problem.severity == "error"]

    def count(self, severity: Severity) -> int:
        """How many there are, every row counted."""
        return sum(problem.count for problem in self.problems if problem.severity == severity)

    def __str__(self) -> str:
        """One sentence: what there is, and whether anything is wrong with it."""
        said = [_counted(split, counts) for split, counts in self.splits.items()]
        errors, warnings = self.count("error"), self.count("warning")
        wrong = [_number(errors, "error"), *([_number(warnings, "warning")] if warnings else [])]
        if not errors:
            wrong[0] = "no errors"
        return f"{_number(self.pictures, 'picture')}: {', '.join(said) or 'in no split'}; {' and '.join(wrong)}"


def _counted(split: str, counts: Mapping[str, float]) -> str:
    pictures, classes = int(counts["pictures"]), int(counts["classes"])
    text = f"{pictures:,} in {split} ({_number(classes, 'class', 'classes')}"
    if classes:
        few, most = int(counts["min_per_class"]), int(counts["max_per_class"])
        text += f" of {few:,}" if few == most else f" of {few:,} to {most:,}"
    if "queries" in counts:
        text += f"; {int(counts['queries']):,} search, {int(counts['gallery']):,} are searched"
    return f"{text})"


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def check_data(
    source: str | Path,
    *,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    pictures: bool = False,
) -> CheckedData:
    """What is wrong with a table, folder or zip: row, column, value, repair.

    Args:
        split_by: which column of the table is the split, or `halves`.
        root: the folder that relative paths begin at; None: the table's own place.
        path_column, label_column: where paths and classes are, under names of their own.
        pictures: also open every picture.

    Raises:
        KinsightError: it cannot be read as a table at all.
    """
    table = read_table(source, split_by=split_by, root=root, path_column=path_column, label_column=label_column)
    return CheckedData(len(table), check_table(table, pictures=pictures), describe(table))


def list_data() -> list[dict[str, Any]]:
    """The known data sets: name, title, where to get each, and what is expected where."""
    return describe_sources()


def render_data(
    folder: str | Path,
    *,
    kind: str = "birds",
    classes: int | None = None,
    per_class: int | None = None,
    places: int | None = None,
    size: int = 96,
    seed: int = 0,
    progress: bool = False,
) -> Path:
    """Render a data set of which everything is known into `folder`, whole or not at all.

    A folder that already holds these settings is left as it is. Adding classes, pictures per class or places never changes
    the pictures of the ones before.

    Args:
        kind: `birds` (species with known boxes, masks and parts) or `towns` (places as a panorama and from above, with
            known heading).
        classes, per_class: of birds; None: 32 species with 24 pictures each.
        places: of towns; None: 2000, two pictures each.
        size: pixels, width and height; of a town's aerial picture, beside which its panorama is 8/3 as wide and 2/3 as high.
        progress: show a bar.

    Returns:
        The folder.

    Raises:
        KinsightError: a number makes no sense, or the folder holds something else.
    """
    require_seed(seed)
    counts = rendered_counts(kind, classes=classes, per_class=per_class, places=places)
    if kind == "towns":
        return write_towns(folder, **counts, size=size, seed=seed, progress=progress)
    return write_scenes(folder, **counts, size=size, seed=seed, progress=progress)


def rendered_counts(kind: str, **given: int | None) -> dict[str, int]:
    """How much of a kind is rendered: what was given, and the defaults.

    Raises:
        KinsightError: there is no such kind, or it does not count in this.
    """
    if kind not in RENDERED:
        raise KinsightError(f"there is no kind {kind!r} of rendered pictures; give {' or '.join(RENDERED)}")
    counts = RENDERED[kind]
    for name, value in given.items():
        if value is not None and name not in counts:
            raise KinsightError(f"{name}={value} says nothing of {kind}; give {' and '.join(counts)}, or another kind")
    return {name: default if given[name] is None else given[name] for name, default in counts.items()}  # type: ignore[misc]
