"""Bringing an index up to date with a table of pictures: what is new or changed is embedded, nothing twice.

Batch by batch, each committed with its pictures: a kill loses at most the batch that was at work, and the next call goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from kinsight.data import read_boxes
from kinsight.data.columns import BOX
from kinsight.errors import KinsightError
from kinsight.pictures.archive import UnreadableFile
from kinsight.retrieval.embedding import Embeds
from kinsight.retrieval.entries import Listed, PictureBox, cell
from kinsight.retrieval.file_state import FileState, state_of
from kinsight.retrieval.qdrant_store import QdrantStore
from kinsight.retrieval.store import Known, Store

_PORTION = 4096  # rows that are looked up together
_OWN = ("id", "path", "mask_path", "part_mask_path", *BOX)  # what an index keeps otherwise, or has no use for


@dataclass
class Built:
    """What an update of an index did, in pictures.

    Attributes:
        added: new ones.
        changed: those whose file or box was another one.
        unchanged: those that stayed as they were.
        removed: those that were no longer given.
        unreadable: those that could not be read and were left out.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    unreadable: list[str] = field(default_factory=list)


def update(
    store: Store | QdrantStore,
    embeds: Embeds,
    table: pd.DataFrame,
    *,
    prune: bool = False,
    batch_size: int = 64,
    workers: int = 2,
    on_unreadable: Literal["refuse", "skip"] = "refuse",
    progress: bool = False,
) -> Built:
    """Bring an index up to date with a table.

    Args:
        store: the index.
        embeds: what embeds pictures; of the model that the index is bound to.
        table: `id`, `path`, boxes where the index crops to them; all other columns are kept as the user's.
        prune: remove the pictures of the index that the table does not have.
        batch_size: pictures embedded and committed at a time.
        workers: processes that decode.
        on_unreadable: `refuse` stops at a picture that cannot be read, `skip` leaves it out.
        progress: show a bar.

    Raises:
        KinsightError: two rows have one id, a picture cannot be read, or the file cannot be written.
    """
    ids = table["id"].astype(str)
    if ids.duplicated().any():
        twice = ids[ids.duplicated()].iloc[0]
        raise KinsightError(
            f"the picture {twice!r} stands in two rows; give every row an id of its own, or leave one out"
        )
    built = Built()
    with tqdm(total=len(table), unit="picture", desc="indexing", disable=None if progress else True) as bar:
        for start in range(0, len(table), _PORTION):
            rows = _listed(table.iloc[start : start + _PORTION], store.about.crop_to_box)
            known = store.known([row.id for row in rows])
            due = _due(store, rows, known, built, on_unreadable)
            bar.update(len(rows) - len(due))
            batches = embeds.batches(due, batch_size=batch_size, workers=workers, on_unreadable=on_unreadable)
            for entries, unreadable in batches:
                store.add(entries)
                changed = sum(entry.listed.id in known for entry in entries)
                built.changed += changed
                built.added += len(entries) - changed
                built.unreadable += unreadable
                bar.update(len(entries) + len(unreadable))
    if prune:
        gone = set(store.ids()) - set(ids)
        built.removed = store.remove(gone) if gone else 0
    if not store.about.complete:
        store.describe(complete=True)
    return built


def _due(
    store: Store | QdrantStore, rows: Sequence[Listed], known: Mapping[str, Known], built: Built, on_unreadable: str
) -> list[tuple[Listed, FileState]]:
    """Those of some pictures that must be embedded; what is new of the others is noted."""
    due: list[tuple[Listed, FileState]] = []
    noted: list[tuple[Listed, FileState]] = []
    for row in rows:
        before = known.get(row.id)
        try:
            stays = before is not None and row.path == before.listed.path
            state = state_of(row.path, before.state if before and stays else None)
        except UnreadableFile as problem:
            if on_unreadable == "refuse":
                raise
            built.unreadable.append(problem.path)
            continue
        if before is None or state.digest != before.state.digest or row.box != before.listed.box:
            due.append((row, state))
            continue
        built.unchanged += 1
        if state != before.state or row.path != before.listed.path or _differ(row, before.listed):
            noted.append((row, state))
    if noted:
        store.note(noted)
    return due


def _differ(row: Listed, before: Listed) -> bool:
    return any(before.columns.get(name) != value for name, value in row.columns.items())


def _listed(table: pd.DataFrame, crop_to_box: bool) -> list[Listed]:
    names = [str(name) for name in table.columns if name not in _OWN]
    boxes: list[PictureBox | None] = [None] * len(table)
    if crop_to_box:
        boxes = [None if np.isnan(box).any() else _whole(box) for box in read_boxes(table)]
    values = [table[name].tolist() for name in table.columns if name not in _OWN]
    columns: Iterator[tuple[object, ...]] = zip(*values, strict=True) if values else iter([()] * len(table))
    rows = zip(table["id"].astype(str), table["path"].astype(str), boxes, columns, strict=True)
    return [
        Listed(id_, path, box, {name: cell(value) for name, value in zip(names, given, strict=True)})
        for id_, path, box, given in rows
    ]


def _whole(box: np.ndarray) -> PictureBox:
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    return left, top, right, bottom
