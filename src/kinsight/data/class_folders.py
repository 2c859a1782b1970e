"""A folder (or zip) of class folders as an image table."""

from __future__ import annotations

from pathlib import PurePosixPath

import pandas as pd

from kinsight.data.containers import Container, is_picture
from kinsight.data.splits import SPLIT_NAMES
from kinsight.errors import KinsightError

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
DEEPEST = 8


def read_class_folders(container: Container, *, labelled: bool = True) -> tuple[pd.DataFrame, str]:
    """The table and the place inside the container that its paths begin at.

    Columns: `path`, `label` and, where the top folders are train, val, test, `split`. A class is a folder at the top
    with all pictures below it. Where no folder at the top holds a picture itself (Omniglot: alphabet/character/x.png)
    each folder that holds pictures is a class, named by its whole path. Lone folders around the classes are stepped
    into. Pictures outside class folders are refused, or with `labelled` False leave the whole table without labels.

    Raises:
        KinsightError: there is no picture, or a picture lies outside the class folders.
    """
    inside = _top(container)
    paths = pd.Series(container.pictures(inside), dtype="string")
    place = f"{container.path}/{inside}".rstrip("/")
    if paths.empty:
        unread = _unread(container, inside)
        if unread:
            count = f"{len(unread)} pictures" if len(unread) > 1 else "a picture"
            raise KinsightError(
                f"{place} holds {count} of a kind that is not read ({', '.join(sorted(set(unread)))}); save them as JPEG or PNG"
            )
        raise KinsightError(
            f"{place} holds no picture; give a table or a folder with one sub-folder of pictures per class"
        )
    table = pd.DataFrame({"path": paths})
    below = paths
    top = paths.str.partition("/")
    if top[0].str.lower().isin(list(SPLIT_NAMES)).all():
        table["split"] = top[0].str.lower().map(SPLIT_NAMES)
        below = top[2]
    loose = paths[~below.str.contains("/", regex=False)]
    if len(loose) and not labelled:
        return table[["path"]], inside
    if len(loose):
        count = f"{len(loose)} pictures" if len(loose) > 1 else "a picture"
        raise KinsightError(
            f"{place} holds {count} outside class folders, like {loose.iloc[0]}; "
            "move each into the folder of its class, or write a table with columns path and label"
        )
    first, whole = below.str.partition("/")[0], below.str.rpartition("/")[0]
    table["label"] = first if (first == whole).any() else whole
    return table, inside


def _unread(container: Container, inside: str) -> list[str]:
    """The endings of all files of `OTHER_KINDS` at any depth below a place."""
    found, waiting = [], [inside]
    while waiting:
        place = waiting.pop()
        files, folders = container.children(place)
        found += [suffix for file in files if (suffix := PurePosixPath(file).suffix.lower()) in OTHER_KINDS]
        if place.count("/") < DEEPEST:  # links of folders may go round
            waiting += [f"{place}/{folder}".lstrip("/") for folder in folders]
    return found


def _top(container: Container) -> str:
    inside = ""
    while True:
        files, folders = container.children(inside)
        if len(folders) != 1 or any(map(is_picture, files)) or folders[0].lower() in SPLIT_NAMES:
            return inside
        lone = f"{inside}/{folders[0]}".lstrip("/")
        files, folders = container.children(lone)
        if not folders or any(map(is_picture, files)):  # no wrapper: it is the only class
            return inside
        inside = lone
