"""kinsight.diagnose: what runs find, and where they look (Visual Explanation, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.api.columns import columns_of
from kinsight.api.numbers import require_whole
from kinsight.api.opened_run import OpenedRun, open_run, require_page
from kinsight.data import MaskFiles, class_names
from kinsight.data.columns import BOX
from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.evaluation.disagreement import Disagreement, disagreements
from kinsight.explanation import Pair
from kinsight.explanation.measuring.localization import localize
from kinsight.explanation.measuring.localization_result import Localization
from kinsight.files import write_json, write_text
from kinsight.show.diagnosis.page import diagnosis_html
from kinsight.show.diagnosis.result import Explained, Measured

METHODS = ("decomposition", "decomposition+bias")


@dataclass(frozen=True)
class Diagnosis:
    """What was found of several runs.

    Attributes:
        measured: one of each run and split.
        explained: pairs on which two runs disagree, explained by both.
    """

    measured: list[Measured]
    explained: list[Explained]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "measured": [each.to_dict() for each in self.measured],
            "disagreements": [each.to_dict() for each in self.explained],
        }


def diagnose(
    runs: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    splits: Sequence[str] = ("train", "test"),
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    pairs: int = 6,
    stage: int = 0,
    limit: int | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Compare two or more runs: retrieval on seen and unseen classes, localization, the state of the space, and the pairs that they judge
    most differently, each explained by both.

    Args:
        runs: run folders; their data must be the same where pairs are compared.
        out: a page `.html` to write as well, with all numbers in a JSON file beside it.
        splits: what is measured; the pairs are of the last one.
        data: another table, folder or zip than the runs' own; `split_by` names its split.
        root, path_column, label_column: of `data`: where its relative paths begin, and its columns under names of their own.
        pairs: how many pairs of each two runs.
        stage: 0 explains on the last map, 1 on the next finer one.
        limit: at most so many pictures of each split, drawn from the seed.

    Raises:
        KinsightError: fewer than two runs, a run that does not exist, or runs of different data.
    """
    if len(runs) < 2:
        raise KinsightError(f"{len(runs)} run was given; diagnose compares two or more run folders")
    require_whole(0, pairs=pairs)
    if out is not None:
        require_page(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    names = _names(runs)
    measured: list[Measured] = []
    explained: list[Explained] = []
    for split in splits:
        subjects = [
            open_run(
                run, data=data, split=split, split_by=split_by, stage=stage, limit=limit, seed=seed, columns=columns
            )
            for run in runs
        ]
        vectors = [subject.model.encode(subject.pictures) for subject in subjects]
        measured += [
            _measured(name, split, subject, found, seed)
            for name, subject, found in zip(names, subjects, vectors, strict=True)
        ]
        if split != splits[-1]:
            continue
        for a, b in combinations(range(len(runs)), 2):
            if subjects[a].pictures != subjects[b].pictures:
                raise KinsightError(
                    f"{runs[a]} and {runs[b]} were trained on different data or splits, so that their pairs cannot be compared; give "
                    "runs of one data set and split"
                )
            explained += [
                _explained((names[a], names[b]), (subjects[a], subjects[b]), found)
                for found in disagreements(vectors[a], vectors[b], pairs, seed=seed)
            ]
    result = Diagnosis(measured, explained)
    if out is not None:
        write_text(out, diagnosis_html(measured, explained))
        write_json(Path(out).with_suffix(".json"), result.to_dict())
    return result


def _measured(name: str, split: str, subject: OpenedRun, vectors: np.ndarray, seed: int) -> Measured:
    metrics = dict(evaluate(vectors, subject.labels, ks=(1,)))  # a few pictures have no 8th neighbour
    found: Localization | None = None
    if set(BOX) <= set(subject.table.columns) and not np.isnan(subject.boxes).all():
        masks = MaskFiles(subject.table["mask_path"].tolist()) if "mask_path" in subject.table else None
        found = localize(
            subject.explainer, subject.pictures, subject.labels, subject.boxes, masks, methods=METHODS, seed=seed
        )
    return Measured(name, split, len(vectors), metrics, found)


def _explained(names: tuple[str, str], subjects: tuple[OpenedRun, OpenedRun], found: Disagreement) -> Explained:
    rows = [found.query, found.other]
    pictures = [subjects[0].pictures[row] for row in rows]
    pairs = tuple(Pair(*subject.explainer.views(pictures)) for subject in subjects)
    labels = subjects[0].labels
    known = class_names(subjects[0].table)
    titles = [str((labels if known is None else known)[row]).replace("_", " ") for row in rows]
    same = str(labels[rows[0]]) == str(labels[rows[1]])
    return Explained(names, pairs, found.standard, same, (titles[0], titles[1]))  # type: ignore[arg-type]


def _names(runs: Sequence[str | Path]) -> list[str]:
    short = [Path(run).resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]
