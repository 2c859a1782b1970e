"""kinsight.check_data, list_data, render_data: what the command line calls data check, data list and data render."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinsight.api.numbers import require_seed
from kinsight.data import check_table, describe, describe_sources, read_table, write_scenes
from kinsight.data.problems import Problem


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


def check_data(source: str | Path, *, split_by: str | None = None, pictures: bool = False) -> CheckedData:
    """What is wrong with a table, folder or zip: row, column, value, repair.

    Args:
        split_by: which column of the table is the split, or `halves`.
        pictures: also open every picture.

    Raises:
        KinsightError: it cannot be read as a table at all.
    """
    table = read_table(source, split_by=split_by)
    return CheckedData(len(table), check_table(table, pictures=pictures), describe(table))


def list_data() -> list[dict[str, Any]]:
    """The known data sets: name, title, where to get each, and what is expected where."""
    return describe_sources()


def render_data(
    folder: str | Path, *, classes: int = 32, per_class: int = 24, size: int = 96, seed: int = 0, progress: bool = False
) -> Path:
    """Render a data set of species with known boxes, masks and parts into `folder`, whole or not at all.

    A folder that already holds these settings is left as it is. Adding classes or pictures per class never changes the
    pictures of the ones before.

    Args:
        size: pixels, width and height.
        progress: show a bar.

    Returns:
        The folder.

    Raises:
        KinsightError: a number makes no sense, or the folder holds something else.
    """
    require_seed(seed)
    return write_scenes(folder, classes=classes, per_class=per_class, size=size, seed=seed, progress=progress)
