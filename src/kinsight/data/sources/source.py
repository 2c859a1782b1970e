"""What a known data set is: where it comes from, how it lies on disk, how many pictures it must have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from kinsight.data.sources.listing import missing_files
from kinsight.errors import KinsightError

_log = logging.getLogger("kinsight")

_FIRST_COLUMNS = ["id", "path", "label", "split"]


@dataclass(frozen=True)
class Count:
    """Published size of one part of a data set; None where its authors give none."""

    pictures: int | None
    classes: int | None

    def agrees_with(self, found: Count) -> bool:
        return self.pictures in (None, found.pictures) and self.classes in (None, found.classes)

    def __str__(self) -> str:
        pictures = "" if self.pictures is None else f"{self.pictures} picture{'s' * (self.pictures != 1)}"
        classes = "" if self.classes is None else f"{self.classes} class{'es' * (self.classes != 1)}"
        return " of ".join(filter(None, (pictures, classes)))


@dataclass(frozen=True)
class Source:
    """A data set that Kinsight can read as its authors distribute it. Nothing is ever downloaded.

    Args:
        name: what the user writes.
        home: where the authors offer it, in words.
        layout: what lies where, as a small tree.
        is_here: whether a folder holds the data set's key files; cheap, opens a file only to tell it from a look-alike.
        rows: folder (and options) -> table with `id`, `label`, `split` and what else is known. A row whose split is
            missing is counted as left out and dropped.
        total: the whole data set, as published.
        counts: the published size of `train`, and of `test` or of `query` and `gallery`; also `left out` and `all`.
        top_folders: the name of the folder that the authors' archive unpacks to.
        options: option -> allowed value -> the counts that hold with it; the first value is the default.
    """

    name: str
    title: str
    home: str
    terms: str
    layout: str
    is_here: Callable[[Path], bool]
    rows: Callable[..., pd.DataFrame]
    total: Count
    counts: Mapping[str, Count]
    top_folders: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Mapping[str, Count]]] = field(default_factory=lambda: MappingProxyType({}))

    def root(self, folder: str | Path) -> Path | None:
        """The data set's own folder: `folder`, or the top folder of the authors' archive in it; None if in neither."""
        folder = Path(folder).absolute()
        candidates = (folder, *(folder / name for name in self.top_folders))
        return next((place for place in candidates if place.is_dir() and self.is_here(place)), None)

    def expected(self, **options: str) -> dict[str, Count]:
        """The published size of each part, with the given options."""
        counts = dict(self.counts)
        for option, value in self._choose(options).items():
            counts |= self.options[option][value]
        return counts

    def recognises(self, folder: str | Path) -> bool:
        return self.root(folder) is not None

    def read(self, folder: str | Path, **options: str) -> pd.DataFrame:
        """The image table; a warning is logged for each part whose size differs from the published one.

        Ids are relative to the data set's own folder, so they do not depend on whether that folder or the one above it
        was given. Boxes are in pixels of the stored picture, counted from 0, half open.

        Raises:
            KinsightError: the data set is not in the folder, a list cannot be read, a listed picture is missing, or an
                option is unknown.
        """
        root, table, expected = self._everything(folder, options)
        _require(missing_files(root, table["id"]), len(table), root, self.title)
        for sentence in _differences(table, expected):
            _log.warning("%s in %s: %s", self.title, root, sentence)
        left_out = table["split"].isna()
        if left_out.any():
            _log.info("%s in %s: %d pictures are left out, as its protocol asks", self.title, root, left_out.sum())
        table = table[~left_out].reset_index(drop=True)
        table["path"] = f"{root.as_posix().rstrip('/')}/" + table["id"]
        return table[_FIRST_COLUMNS + [name for name in table.columns if name not in _FIRST_COLUMNS]]

    def verify(self, folder: str | Path, **options: str) -> list[str]:
        """What differs from the published data set, a sentence each; an empty list when all is as published.

        Raises:
            KinsightError: the data set is not in the folder, or a list cannot be read.
        """
        root, table, expected = self._everything(folder, options)
        missing = missing_files(root, table["id"])
        sentences = [f"{len(missing)} listed pictures are missing, the first is {missing[0]}"] if missing else []
        return sentences + _differences(table, expected)

    def _everything(
        self, folder: str | Path, options: Mapping[str, str]
    ) -> tuple[Path, pd.DataFrame, Mapping[str, Count]]:
        chosen = self._choose(options)
        root = self.root(folder)
        if root is None:
            raise KinsightError(
                f"{folder} does not hold {self.title}; give the folder with the authors' files, which lie like this:\n"
                f"{self.layout}"
            )
        return root, self.rows(root, **chosen), self.expected(**options)

    def _choose(self, options: Mapping[str, str]) -> dict[str, str]:
        chosen = {option: next(iter(values)) for option, values in self.options.items()}
        for option, value in options.items():
            if option not in self.options:
                allowed = ", ".join(self.options) or "none"
                raise KinsightError(f"{option} is not an option of {self.name}; its options: {allowed}")
            if value not in self.options[option]:
                allowed = ", ".join(self.options[option])
                raise KinsightError(f"{value!r} is not a value of {option} of {self.name}; write one of {allowed}")
            chosen[option] = value
        return chosen


def _require(missing: list[str], listed: int, root: Path, title: str) -> None:
    if missing:
        raise KinsightError(
            f"{len(missing)} of the {listed} pictures that {title} lists are missing, the first is expected at "
            f"{root / missing[0]}; unpack the authors' archive there again, or describe the pictures you have in a CSV "
            f"table"
        )


def _differences(table: pd.DataFrame, expected: Mapping[str, Count]) -> list[str]:
    found = {part: _count(table[rows]) for part, rows in _parts(table).items()}
    return [
        f"{part} has {found[part]}, published are {count}"
        for part, count in expected.items()
        if not count.agrees_with(found[part])
    ]


def _count(table: pd.DataFrame) -> Count:
    return Count(len(table), table["label"].nunique())


def _parts(table: pd.DataFrame) -> dict[str, pd.Series]:
    split = table["split"]
    parts = {"train": split == "train", "test": split == "test", "left out": split.isna(), "all": split.notna()}
    if "is_query" in table:
        parts |= {"query": table["is_query"], "gallery": table["is_gallery"] & split.notna()}
    return parts
