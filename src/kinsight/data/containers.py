"""Folders and zips as one thing: what lies in them, and which files a list of paths can open."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from kinsight.errors import KinsightError
from kinsight.files import is_unicode

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2",
)  # fmt: skip


MOST_BYTES = 256 * 2**20
"""A table of a million pictures has fewer bytes."""


class Container(Protocol):
    """A folder or a zip; places inside are posix paths relative to it, "" is its top."""

    path: Path

    def children(self, inside: str) -> tuple[list[str], list[str]]:
        """The sorted names of the files and of the folders directly in `inside`."""

    def pictures(self, inside: str) -> list[str]:
        """The sorted paths, relative to `inside`, of all picture files at any depth below it, those of `OTHER_KINDS` too."""


def open_container(path: Path) -> Container:
    """The folder or zip at `path`.

    Raises:
        KinsightError: the file is no readable zip.
    """
    return Folder(path) if path.is_dir() else Zip(path)


OTHER_KINDS = (
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".jp2",
    ".dng",
    ".cr2",
    ".cr3",
    ".nef",
    ".arw",
    ".raf",
    ".svg",
    ".psd",
)
"""Endings of pictures as telephones, cameras and drawing programs write them, which are not read."""


class Folder:
    """A folder on disk; links to folders are followed."""

    def __init__(self, path: Path):
        self.path = path

    def children(self, inside: str) -> tuple[list[str], list[str]]:
        with os.scandir(self.path / inside) as entries:
            shown = [(_name(entry), entry.is_dir()) for entry in entries if not _hidden(entry.name)]
        return sorted(name for name, folder in shown if not folder), sorted(name for name, folder in shown if folder)

    def pictures(self, inside: str) -> list[str]:
        return sorted(_pictures_below(str(self.path / inside), "", frozenset()))


class Zip:
    """A zip archive; its central directory is read once."""

    def __init__(self, path: Path):
        self.path = path
        self.names = sorted(
            name
            for name in _members(path)
            if not name.endswith("/") and not any(_hidden(part) for part in name.split("/"))
        )

    def children(self, inside: str) -> tuple[list[str], list[str]]:
        below = self._below(inside)
        files = [name for name in below if "/" not in name]
        return files, sorted({name.partition("/")[0] for name in below} - set(files))

    def pictures(self, inside: str) -> list[str]:
        return [name for name in self._below(inside) if _any_picture(name)]

    def _below(self, inside: str) -> list[str]:
        start = f"{inside}/" if inside else ""
        return [name[len(start) :] for name in self.names if name.startswith(start)]


def existing(paths: pd.Series) -> np.ndarray:
    """Which absolute paths, zip members included, are files: bool (N,); every folder and archive is listed once."""
    text = paths.astype("string")  # nullable: what is missing does not exist
    found: set[str] = set()
    archives: dict[str, str | None] = {}
    listed: set[str] = set()
    for folder in text.str.rpartition("/")[0].dropna().unique():
        archive = _archive_above(folder, archives)
        if archive is None:
            found.update(f"{folder}/{name}" for name in _files_in(folder))
        elif archive not in listed:
            listed.add(archive)
            with suppress(KinsightError):  # a damaged archive: none of its members can be opened
                found.update(f"{archive}/{name}" for name in _members(Path(archive)) if not name.endswith("/"))
    return text.isin(found).to_numpy(bool)


def _archive_above(folder: str, known: dict[str, str | None]) -> str | None:
    """The zip in which `folder` lies, or None; `known` keeps the answers for all folders on the way."""
    if folder not in known:
        if folder in ("", "/") or os.path.isdir(folder):
            known[folder] = None
        elif os.path.isfile(folder):
            known[folder] = folder if folder.lower().endswith(".zip") else None
        else:
            known[folder] = _archive_above(folder.rpartition("/")[0], known)
    return known[folder]


def _files_in(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder or "/") as entries:
            yield from (entry.name for entry in entries if entry.is_file())
    except OSError:  # no such folder, or not ours to read: none of its files can be opened
        return


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError, NotImplementedError) as problem:
        raise KinsightError(f"{path} is not a readable zip ({problem}); copy or download it again") from None


def _pictures_below(folder: str, inside: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that we came through
        return
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not _hidden(entry.name)]
    for entry in shown:
        if entry.is_dir():
            yield from _pictures_below(entry.path, f"{inside}{_name(entry)}/", above | {real})
        elif _any_picture(entry.name):
            yield inside + _name(entry)


def _name(entry: os.DirEntry[str]) -> str:
    if not is_unicode(entry.name):
        raise KinsightError(
            f"{os.path.dirname(entry.path)} holds {entry.name!r}, a name that is not UTF-8, which no table can hold; rename it"
        )
    return entry.name


def is_picture(name: str) -> bool:
    """Whether a file of that name is read as a picture."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def _any_picture(name: str) -> bool:
    return name.lower().endswith((*PICTURE_SUFFIXES, *OTHER_KINDS))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
