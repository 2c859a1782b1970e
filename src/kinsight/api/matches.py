"""The best matches of a picture in a gallery: what an evaluation would let it find, and of which class each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.embed import Pictures, embed, pictures_table
from kinsight.api.one_group import check_group, group_vectors
from kinsight.data import class_names
from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours
from kinsight.evaluation.query_gallery import gallery_of
from kinsight.explanation import Explainer
from kinsight.explanation.explainer import Picture
from kinsight.models import Embedder
from kinsight.show import ShownPair
from kinsight.training.validation import roles


def best_matches(
    embedder: Embedder,
    query: Picture,
    table: pd.DataFrame,
    *,
    top: int,
    group: int | None = None,
    workers: int = 2,
    progress: bool = False,
    options: dict[str, Any],
    answers: tuple[str, Embedder] | None = None,
) -> list[ShownPair]:
    """Search a picture in a gallery and explain what it finds, best first.

    A query that stands in the gallery's table meets what an evaluation of that table would let it meet: not itself, nothing of its own
    camera and class or of its own sequence, and only what is marked as gallery. Of any other picture only its own file is left out.

    Args:
        embedder: the model.
        query: the picture.
        table: the gallery, of `gallery_table`.
        top: how many.
        group: search and explain with this group alone.
        workers: processes that decode the gallery.
        progress: show a bar.
        options: of `Explainer`.
        answers: the view of the gallery and the stream of its pictures, where it is another than the query's; of a table that names views
            only pictures of that view are found.

    Raises:
        KinsightError: a picture cannot be used, no such group, or nothing is left that the query may meet.
    """
    if group is not None:
        check_group(embedder, group)
    own = _rows_of_file(table, query)
    rows = rows_met(table, query)
    if answers is not None:
        rows = _of_view(table, rows, answers[0])
    embeddings = embed(
        embedder if answers is None else answers[1],
        table["path"].iloc[rows].tolist(),
        workers=workers,
        progress=progress,
        group=group,
    )
    asked = embedder.encode(query)  # (1, D)
    if group is not None:
        asked = group_vectors(asked, embedder.groups)[:, group]
    found = rows[neighbours(asked, embeddings.vectors, k=min(top, len(rows))).indices[0]]
    matches = table["path"].iloc[found].tolist()
    explainer = Explainer(embedder, **options)
    if answers is None:
        views = explainer.views([query, *matches])
    else:
        views = explainer.views([query]) + Explainer(answers[1], **options).views(matches)
    labels = _labels(table)
    shown = [labels[own[0]] if len(own) else "", *labels[found]]
    named = [replace(view, label=label) for view, label in zip(views, shown, strict=True)]
    if group is not None:
        named = [view.group(group) for view in named]
    return [ShownPair(named[0], view) for view in named[1:]]


def gallery_table(
    gallery: Pictures,
    *,
    split: str | None = None,
    split_by: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The pictures in which matches are looked for, all or those of a split.

    Raises:
        KinsightError: it cannot be read, or has no pictures in that split.
    """
    table = pictures_table(gallery, columns, split_by=split_by)
    if split is None or split == "all":
        return table
    if "split" not in table.columns:
        raise KinsightError(
            f"the split {split} was asked of a gallery without classes, which has none; give a table with classes or a folder of class "
            "folders, or leave out the split"
        )
    rows = np.flatnonzero((table["split"] == split).to_numpy())
    if not len(rows):
        known = ", ".join(sorted(map(str, set(table["split"]))))
        raise KinsightError(f"the gallery has no pictures in the split '{split}'; it has: {known}, all")
    return table.iloc[rows].reset_index(drop=True)


def rows_met(table: pd.DataFrame, query: Picture) -> np.ndarray:
    """The rows of a gallery that a query may meet, as `best_matches` says.

    Raises:
        KinsightError: there are none.
    """
    own = _rows_of_file(table, query)
    given = roles(table, np.arange(len(table)))
    if "label" not in table.columns:
        rows = np.arange(len(table))
    elif len(own):
        rows = gallery_of(int(own[0]), table["label"].to_numpy(), **given)
    else:
        rows = np.flatnonzero(given.get("gallery", np.ones(len(table), bool)))
    rows = np.setdiff1d(rows, own)
    if not len(rows):
        raise KinsightError(
            "the gallery holds no picture beside the query that an evaluation would let it find (own camera, own sequence, and what is "
            "not marked as gallery are left out); give a folder, table or zip with more"
        )
    return rows


def _of_view(table: pd.DataFrame, rows: np.ndarray, view: str) -> np.ndarray:
    """Those of the rows that are of a view; all where the table names none."""
    if "view" not in table.columns:
        return rows
    found = rows[(table["view"].iloc[rows] == view).to_numpy()]
    if not len(found):
        raise KinsightError(
            f"the gallery has no picture of the view {view}; give one that has, or one without a column view"
        )
    return found


def _rows_of_file(table: pd.DataFrame, picture: Picture) -> np.ndarray:
    """The rows whose picture is this very file."""
    if not isinstance(picture, str | Path):
        return np.arange(0)
    own = str(Path(picture).resolve())
    return np.flatnonzero([str(Path(path).resolve()) == own for path in table["path"]])


def _labels(table: pd.DataFrame) -> np.ndarray:
    """The class of each row as a person calls it; empty where the gallery has no classes. (N,)"""
    if "label" not in table.columns:
        return np.full(len(table), "")
    names = class_names(table)
    return table["label"].to_numpy().astype(str) if names is None else names
