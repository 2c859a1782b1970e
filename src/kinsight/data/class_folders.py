"""A folder (or zip) of class folders as an image table."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import PurePosixPath

import pandas as pd

from kinsight.data.containers import Container, is_picture
from kinsight.data.splits import SPLIT_NAMES
from kinsight.errors import KinsightError

FEW = 0.1
"""So small a share of the pictures beside the class folders, such as a cover, is left out and said; more is a folder of another kind."""


def read_class_folders(container: Container, *, labelled: bool = True) -> tuple[pd.DataFrame, str]:
    """The table and the place inside the container that its paths begin at.

    Columns: `path`, `label` and, where the top folders are train, val, test, `split`. A class is a folder at the top
    with all pictures below it. Where no folder at the top holds a picture itself (Omniglot: alphabet/character/x.png)
    each folder that holds pictures is a class, named by its whole path. Lone folders around the classes are stepped
    into. Pictures outside class folders are left out if they are few and else refused, or with `labelled` False leave the whole table
    without labels. What was left out is said in `attrs["notes"]`.

    Raises:
        KinsightError: there is no picture, or a picture lies outside the class folders.
    """
    inside = _top(container)
    found = container.pictures(inside)
    paths = pd.Series(list(filter(is_picture, found)), dtype="string")
    place = f"{container.path}/{inside}".rstrip("/")
    unread = [PurePosixPath(path).suffix.lower() for path in found if not is_picture(path)]
    other = f"of a kind that is not read ({', '.join(sorted(set(unread)))})"
    notes = []
    if paths.empty:
        if unread:
            raise KinsightError(f"{place} holds {_counted(unread)} {other}; save them as JPEG or PNG")
        raise KinsightError(
            f"{place} holds no picture; give a table or a folder with one sub-folder of pictures per class"
        )
    if unread:
        notes.append(f"{place} holds {_counted(unread)} {other}, left out; save them as JPEG or PNG to have them")
    table = pd.DataFrame({"path": paths})
    below = paths
    top = paths.str.partition("/")
    if top[0].str.lower().isin(list(SPLIT_NAMES)).all():
        table["split"] = top[0].str.lower().map(SPLIT_NAMES)
        below = top[2]
    outside = ~below.str.contains("/", regex=False)
    loose = paths[outside]
    if len(loose) and not labelled:
        return _noted(table[["path"]], notes), inside
    if len(loose):
        where = f"{place} holds {_counted(loose)} outside class folders, like {loose.iloc[0]}"
        if len(loose) > FEW * len(paths):
            raise KinsightError(
                f"{where}; move each into the folder of its class, or write a table with columns path and label"
            )
        notes.append(f"{where}, left out; move it into the folder of its class to have it")
        table, below = table[~outside].reset_index(drop=True), below[~outside].reset_index(drop=True)
    first, whole = below.str.partition("/")[0], below.str.rpartition("/")[0]
    table["label"] = first if (first == whole).any() else whole
    return _noted(table, notes), inside


def _noted(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    table.attrs["notes"] = notes
    return table


def _counted(pictures: Sized) -> str:
    return f"{len(pictures):,} pictures" if len(pictures) > 1 else "a picture"


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
