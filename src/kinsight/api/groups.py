"""kinsight.groups: what the groups of a run do, measured and shown on one page (Attentive Grouping, section 4.4 and Figures 3 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from kinsight.api.columns import columns_of
from kinsight.api.numbers import require_whole
from kinsight.api.opened_run import OpenedRun, open_run, require_page
from kinsight.data import PartMaskFiles, read_part_labels, read_parts
from kinsight.errors import KinsightError
from kinsight.evaluation import Evaluation, evaluate
from kinsight.explanation.measuring.groups import (
    NO_GROUPS,
    Groups,
    PartConfusion,
    part_confusion,
    part_confusion_on_masks,
    read_groups,
)
from kinsight.explanation.measuring.moved_groups import read_moved
from kinsight.files import write_json, write_text
from kinsight.show.groups.beside import groups_beside_html
from kinsight.show.groups.page import groups_html
from kinsight.show.groups.result import GroupsResult
from kinsight.training.tables import BOX
from kinsight.training.validation import roles

MASKS, POINTS = "masks", "points"


# fmt: off
@overload
def groups(
    run: str | Path, /, *, out: str | Path | None = None, top: int = 12, data: str | Path | None = None, split: str = "test",
    split_by: str | None = None, root: str | Path | None = None, path_column: str | None = None, label_column: str | None = None,
    limit: int | None = None, seed: int = 0, shown: int = 6, parts: str | None = None, progress: bool = False,
) -> GroupsResult: ...
@overload
def groups(
    *runs: str | Path, out: str | Path | None = None, top: int = 12, data: str | Path | None = None, split: str = "test",
    split_by: str | None = None, root: str | Path | None = None, path_column: str | None = None, label_column: str | None = None,
    limit: int | None = None, seed: int = 0, shown: int = 6, parts: str | None = None, progress: bool = False,
) -> GroupsResult | list[GroupsResult]: ...
# fmt: on
def groups(
    *runs: str | Path,
    out: str | Path | None = None,
    top: int = 12,
    data: str | Path | None = None,
    split: str = "test",
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    shown: int = 6,
    parts: str | None = None,
    progress: bool = False,
) -> GroupsResult | list[GroupsResult]:
    """Where each group of a run looks, what it finds alone, how alike the groups are, which parts they fall on, and whether they follow a
    picture that is moved; of several runs on the same pictures, beside one another.

    Args:
        runs: the folder of a run whose head has groups, or several, of the same data and split.
        out: a page `.html` to write as well, with all numbers in a JSON file beside it.
        top: how many pictures of each group, those in which its map is strongest.
        data: another table, folder or zip than the run's own; `split_by` names its split.
        root, path_column, label_column: of `data`: where its relative paths begin, and its columns under names of their own.
        split: test, validation, train or all.
        limit: at most so many pictures, drawn from the seed; retrieval is then measured among them.
        shown: how many pictures, drawn from the seed, are shown with the maps of all groups.
        parts: what peaks are held against: "masks" (the part that the peak's pixel shows) or "points" (the nearest part point within
            reach); None takes masks where the table has the column `part_mask_path`.
        progress: show a bar.

    Returns:
        What was found; of several runs a list.

    Raises:
        KinsightError: there is no run or split, a head has no groups, runs of other pictures, or what was given cannot be used.
    """
    if not runs:
        raise KinsightError("no run was given; give the folder of one or more runs whose heads have groups")
    require_whole(1, top=top, shown=shown)
    if out is not None:
        require_page(out)
    if parts not in (None, MASKS, POINTS):
        raise KinsightError(f"parts {parts!r} is not known; write {MASKS} or {POINTS}, or leave it out")
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    subjects = [
        open_run(run, data=data, split=split, split_by=split_by, limit=limit, seed=seed, columns=columns)
        for run in runs
    ]
    for run, subject in zip(runs, subjects, strict=True):
        if subject.model.groups < 2:
            raise KinsightError(f"{run}: {NO_GROUPS}" if len(runs) > 1 else NO_GROUPS)
        if subject.table["id"].tolist() != subjects[0].table["id"].tolist():
            raise KinsightError(
                f"{runs[0]} and {run} were trained on different data or splits, so that their groups cannot stand side by side; give runs "
                "of one data set and split, or name one with --data"
            )
    found = [_result(subject, split, top, limit, seed, shown, parts, progress) for subject in subjects]
    if out is not None:
        _write(out, subjects, found)
    return found[0] if len(found) == 1 else found


def _result(
    subject: OpenedRun,
    split: str,
    top: int,
    limit: int | None,
    seed: int,
    shown: int,
    parts: str | None,
    progress: bool,
) -> GroupsResult:
    read = read_groups(subject.explainer, subject.pictures, progress=progress)
    whole, *alone = (_retrieval(subject, vectors) for vectors in _embeddings(read))
    count = len(subject.table)
    drawn = np.sort(np.random.default_rng(seed).choice(count, min(shown, count), replace=False)).tolist()
    return GroupsResult(
        subject.folder.path.resolve().name,
        str(subject.model.settings.head["name"]),
        split,
        read,
        subject.table["id"].tolist(),
        _names(subject),
        dict(whole),
        [dict(each) for each in alone],
        *_parts(subject, read, parts),
        drawn,
        top,
        {**subject.protocol, "limit": limit, "evaluation": whole.protocol},
        read_moved(subject.explainer, [subject.pictures[row] for row in drawn]),
    )


def _write(out: str | Path, subjects: Sequence[OpenedRun], found: Sequence[GroupsResult]) -> None:
    pictures = [_Shown(subject) for subject in subjects]
    one = len(found) == 1
    write_text(out, groups_html(found[0], pictures[0]) if one else groups_beside_html(found, pictures))
    plain = [each.to_dict() for each in found]
    write_json(Path(out).with_suffix(".json"), plain[0] if one else {"runs": plain})


class _Shown:
    """What the network of a run saw of a row."""

    def __init__(self, subject: OpenedRun) -> None:
        self._subject = subject

    def __call__(self, row: int) -> np.ndarray:
        return self._subject.explainer.prepare(self._subject.pictures[row]).picture


def _embeddings(read: Groups) -> list[np.ndarray]:
    """The whole embedding (N, P d), then that of each group (N, d)."""
    return [read.whole, *np.moveaxis(read.vectors, 1, 0)]


def _retrieval(subject: OpenedRun, vectors: np.ndarray) -> Evaluation:
    given: dict[str, Any] = roles(subject.table, np.arange(len(subject.table)))
    return evaluate(vectors, subject.labels, **given, ks=(1,), clustering=False, diagnosis=False, whole_gallery=False)


def _names(subject: OpenedRun) -> np.ndarray:
    """The classes as a person calls them, where the table does."""
    column = "class_name" if "class_name" in subject.table.columns else "label"
    return subject.table[column].astype(str).to_numpy()


def _parts(subject: OpenedRun, read: Groups, by: str | None) -> tuple[PartConfusion | str, str]:
    """Which parts the groups fall on, or the sentence that says why that cannot be known; and what their reach is measured by.

    Pictures without boxes are often cut to their objects already: there what the network saw stands for the box.
    """
    boxed = set(BOX) <= set(subject.table.columns)
    reach_of = "the object's box" if boxed else "what the network saw of the picture (the data have no boxes)"
    masked = "part_mask_path" in subject.table
    try:
        if by == MASKS and not masked:
            raise KinsightError("the table has no column part_mask_path; add one, or hold peaks against points")
        if masked and by != POINTS:
            masks = PartMaskFiles(subject.table["part_mask_path"].tolist())
            return part_confusion_on_masks(read, masks, read_part_labels(subject.table), subject.labels), ""
        parts = read_parts(subject.table)
        points = [parts[str(item)] for item in subject.table["id"]]
        boxes = subject.boxes if boxed else read.windows
        return part_confusion(read, points, boxes, subject.labels), reach_of
    except KinsightError as problem:
        return str(problem), reach_of
