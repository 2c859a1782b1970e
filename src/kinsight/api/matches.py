"""The best matches of a picture in a gallery: what an evaluation would let it find, and of which class each is."""

from __future__ import annotations

from collections.abc import Sequence
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
    gallery: Pictures,
    *,
    top: int,
    group: int | None = None,
    workers: int = 2,
    progress: bool = False,
    options: dict[str, Any],
) -> list[ShownPair]:
    """Search a picture in a gallery and explain what it finds, best first.

    A query that stands in the gallery's table meets what an evaluation of that table would let it meet: not itself, nothing of its own
    camera and class or of its own sequence, and only what is marked as gallery. Of any other picture only its own file is left out.

    Args:
        embedder: the model.
        query: the picture.
        gallery: where matches are looked for.
        top: how many.
        group: search and explain with this group alone.
        workers: processes that decode the gallery.
        progress: show a bar.
        options: of `Explainer`.

    Raises:
        KinsightError: a picture cannot be used, no such group, or nothing is left that the query may meet.
    """
    if group is not None:
        check_group(embedder, group)
    table = pictures_table(gallery)
    own = rows_of_files(table, [query])
    rows = _met(table, own)
    if not len(rows):
        raise KinsightError(
            "the gallery holds no picture beside the query that an evaluation would let it find (own camera, own sequence, and what is "
            "not marked as gallery are left out); give a folder, table or zip with more"
        )
    embeddings = embed(embedder, table["path"].iloc[rows].tolist(), workers=workers, progress=progress, group=group)
    asked = embedder.encode(query)  # (1, D)
    if group is not None:
        asked = group_vectors(asked, embedder.groups)[:, group]
    found = rows[neighbours(asked, embeddings.vectors, k=min(top, len(rows))).indices[0]]
    views = Explainer(embedder, **options).views([query, *table["path"].iloc[found]])
    labels = _labels(table)
    shown = [labels[own[0]] if len(own) else "", *labels[found]]
    named = [replace(view, label=label) for view, label in zip(views, shown, strict=True)]
    if group is not None:
        named = [view.group(group) for view in named]
    return [ShownPair(named[0], view) for view in named[1:]]


def rows_of_files(table: pd.DataFrame, pictures: Sequence[Picture]) -> np.ndarray:
    """The rows of a table that are among the pictures, by their files."""
    files = {str(Path(picture).resolve()) for picture in pictures if isinstance(picture, str | Path)}
    return np.flatnonzero([str(Path(path).resolve()) in files for path in table["path"]])


def _met(table: pd.DataFrame, own: np.ndarray) -> np.ndarray:
    """The rows that a query, which stands in the rows `own`, may meet."""
    given = roles(table, np.arange(len(table)))
    if "label" not in table.columns:
        rows = np.arange(len(table))
    elif len(own):
        rows = gallery_of(int(own[0]), table["label"].to_numpy(), **given)
    else:
        rows = np.flatnonzero(given.get("gallery", np.ones(len(table), bool)))
    return np.setdiff1d(rows, own)


def _labels(table: pd.DataFrame) -> np.ndarray:
    """The class of each row as a person calls it; empty where the gallery has no classes. (N,)"""
    if "label" not in table.columns:
        return np.full(len(table), "")
    names = class_names(table)
    return table["label"].to_numpy().astype(str) if names is None else names
