"""kinsight.groups: what the groups of a run do, measured and shown on one page (Attentive Grouping, section 4.4 and Figures 3 to 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

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
from kinsight.files import write_json, write_text
from kinsight.show.groups.page import groups_html
from kinsight.show.groups.result import GroupsResult
from kinsight.training.tables import BOX
from kinsight.training.validation import roles

MASKS, POINTS = "masks", "points"


def groups(
    run: str | Path,
    *,
    out: str | Path | None = None,
    top: int = 12,
    data: str | Path | None = None,
    split: str = "test",
    split_by: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    shown: int = 6,
    parts: str | None = None,
    progress: bool = False,
) -> GroupsResult:
    """Where each group of a run looks, what it finds alone, how alike the groups are and which parts they fall on.

    Args:
        run: the folder of a run whose head has groups.
        out: a page `.html` to write as well, with all numbers in a JSON file beside it.
        top: how many pictures of each group, those in which its map is strongest.
        data: another table, folder or zip than the run's own; `split_by` names its split.
        split: test, validation, train or all.
        limit: at most so many pictures, drawn from the seed; retrieval is then measured among them.
        shown: how many pictures, drawn from the seed, are shown with the maps of all groups.
        parts: what peaks are held against: "masks" (the part that the peak's pixel shows) or "points" (the nearest part point within
            reach); None takes masks where the table has the column `part_mask_path`.
        progress: show a bar.

    Raises:
        KinsightError: there is no run or split, the head has no groups, or what was given cannot be used.
    """
    require_whole(1, top=top, shown=shown)
    if out is not None:
        require_page(out)
    if parts not in (None, MASKS, POINTS):
        raise KinsightError(f"parts {parts!r} is not known; write {MASKS} or {POINTS}, or leave it out")
    subject = open_run(run, data=data, split=split, split_by=split_by, limit=limit, seed=seed)
    if subject.model.groups < 2:
        raise KinsightError(NO_GROUPS)
    read = read_groups(subject.explainer, subject.pictures, progress=progress)
    whole, *alone = (_retrieval(subject, vectors) for vectors in _embeddings(read))
    count = len(subject.table)
    drawn = np.random.default_rng(seed).choice(count, min(shown, count), replace=False)
    result = GroupsResult(
        subject.folder.path.resolve().name,
        str(subject.model.settings.head["name"]),
        split,
        read,
        subject.table["id"].tolist(),
        _names(subject),
        dict(whole),
        [dict(each) for each in alone],
        *_parts(subject, read, parts),
        np.sort(drawn).tolist(),
        top,
        {**subject.protocol, "limit": limit, "evaluation": whole.protocol},
    )
    if out is not None:
        write_text(out, groups_html(result, lambda row: subject.explainer.prepare(subject.pictures[row]).picture))
        write_json(Path(out).with_suffix(".json"), result.to_dict())
    return result


def _embeddings(read: Groups) -> list[np.ndarray]:
    """The whole embedding (N, P d), then that of each group (N, d)."""
    return [read.vectors.reshape(len(read.vectors), -1), *np.moveaxis(read.vectors, 1, 0)]


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
