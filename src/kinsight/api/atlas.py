"""kinsight.atlas: the pictures of a run or of a file of embeddings in the plane."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.columns import columns_of
from kinsight.api.embed import pictures_table
from kinsight.api.foreign_embeddings import read_embeddings
from kinsight.api.load import load
from kinsight.api.numbers import require_seed, require_whole
from kinsight.api.opened_run import evaluation_data, rows_of
from kinsight.data import class_names
from kinsight.errors import KinsightError
from kinsight.evaluation.query_gallery import Column
from kinsight.files import require_writable, write_text
from kinsight.pictures.archive import exists
from kinsight.pictures.decoding import Box
from kinsight.processes import device
from kinsight.runs.folder import RunFolder
from kinsight.show.atlas.figure import write_atlas_figure
from kinsight.show.atlas.page import atlas_html
from kinsight.show.atlas.result import Atlas
from kinsight.show.plane.crowding import sampled_rows
from kinsight.show.plane.layouts import PCA, chosen_layout, places
from kinsight.show.splits import split_title
from kinsight.training.encoding import encode_rows
from kinsight.training.tables import boxes_of

logger = logging.getLogger("kinsight")

SLOW = 3000  # pictures whose layout takes long enough to say so
SUFFIXES = (".html", ".png")
NO_CLASS = "no class given"


def atlas(
    source: str | Path,
    *,
    out: str | Path | None = None,
    method: str = "tsne",
    data: str | Path | None = None,
    split: str | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    vectors_key: str | None = None,
    labels: Column | str | Path | None = None,
    which: str = "best",
    limit: int = 10_000,
    seed: int = 0,
    progress: bool = False,
) -> Atlas:
    """Lay pictures out in the plane by their embeddings, near where they are alike, framed in the colours of their classes.

    Args:
        source: a run folder, or a file of embeddings (`.npz`, `.npy`, CSV, parquet) as `evaluate` takes it.
        out: what to write as well: a page `.html` to walk in, or a figure `.png`.
        method: `tsne`, `umap` (which needs the package umap-learn) or `pca`; only the directions of embeddings count.
        data: of a run: another table, folder or zip than its own. Of a file: where its pictures are, by its ids or, where it has none,
            row by row; without it ids are taken for paths, and what is no file is a dot.
        split: test, validation, train or all; None: test for a run, all for a file.
        split_by: which column of `data` is the split, or `halves`.
        root, path_column, label_column: of `data`: where its relative paths begin, and its columns under names of their own.
        vectors_key, labels: of a file: which array or columns hold the vectors, and the classes where it has none.
        which: of a run: the model, `best` (chosen on validation classes) or `last`.
        limit: at most so many pictures; of more, at least 12 of each of as many classes as fit, drawn from the seed.
        seed: of what is drawn and of the layout.
        progress: show a bar.

    Raises:
        KinsightError: there is no such run or file, no embedding is finite, or `out` is no page and no PNG.
    """
    layout = chosen_layout(method)
    require_whole(1, limit=limit)
    require_seed(seed)
    if out is not None:
        _require_named(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    if Path(source).is_dir():
        for name, value in {"vectors_key": vectors_key, "labels": labels}.items():
            if value is not None:
                raise KinsightError(
                    f"{name} says how a file of embeddings is read; {source} is a folder, so leave it out"
                )
        drawn = _of_run(source, data, split or "test", split_by, columns, which, limit, seed, progress)
    else:
        drawn = _of_file(source, data, split, split_by, columns, vectors_key, labels, limit, seed)
    vectors = drawn.pop("vectors")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.any():
        raise KinsightError(
            f"none of the {len(vectors):,} embeddings of {source} is finite; train or embed again, with a lower rate or in fp32"
        )
    rows = np.flatnonzero(finite)
    boxes = drawn.pop("boxes")
    if progress and len(rows) > SLOW and layout != PCA:
        logger.info("laying out %s pictures (%s); 10,000 take about two minutes", f"{len(rows):,}", layout)
    found = Atlas(
        source=Path(source).resolve().name,
        ids=drawn["ids"][rows],
        labels=drawn["labels"][rows],
        places=places(vectors[rows], layout, seed),
        paths=[drawn["paths"][row] for row in rows],
        boxes=None if boxes is None else [boxes[row] for row in rows],
        layout=layout,
        split=drawn["split"],
        drawn_from=drawn["drawn_from"],
        classes_drawn_from=drawn["classes_drawn_from"],
        not_finite=int((~finite).sum()),
        unreadable=drawn["unreadable"],
        seed=seed,
    )
    if out is not None and Path(out).suffix.lower() == ".png":
        write_atlas_figure(out, found)
    elif out is not None:
        write_text(out, atlas_html(found, progress=progress))
    return found


def _of_run(
    run: str | Path,
    data: str | Path | None,
    split: str,
    split_by: str | None,
    columns: Mapping[str, str],
    which: str,
    limit: int,
    seed: int,
    progress: bool,
) -> dict[str, Any]:
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by, columns=columns)
    rows = rows_of(table, split, settings.data)
    named = _titles(table)
    chosen = rows[sampled_rows(named[rows], limit, seed)]
    model = load(folder.trained_model(which), device=device())
    encoded = encode_rows(model, table, chosen, settings.data, progress=progress)
    return {
        "vectors": encoded.vectors,
        "ids": table["id"].to_numpy()[encoded.rows].astype(str),
        "labels": named[encoded.rows],
        "paths": table["path"].to_numpy()[encoded.rows].astype(str).tolist(),
        "boxes": _boxes(table, encoded.rows) if settings.data.crop_to_box else None,
        "split": split_title(split) if data is None else f"{Path(data).name}, {split_title(split)}",
        "drawn_from": len(rows),
        "classes_drawn_from": len(np.unique(named[rows])),
        "unreadable": encoded.unreadable,
    }


def _of_file(
    path: str | Path,
    data: str | Path | None,
    split: str | None,
    split_by: str | None,
    columns: Mapping[str, str],
    vectors_key: str | None,
    labels: Column | str | Path | None,
    limit: int,
    seed: int,
) -> dict[str, Any]:
    if data is None and (split or split_by):
        raise KinsightError("split says which rows of a table are shown; add --data TABLE, or leave it out")
    found = read_embeddings(path, vectors_key=vectors_key, labels=labels, labelled=False)
    count = len(found["vectors"])
    if not count:
        raise KinsightError(f"{path} holds no embeddings; write at least one")
    ids = np.asarray(found["ids"]).astype(str) if "ids" in found else None
    if ids is not None and ids.shape != (count,):
        raise KinsightError(f"{path} holds {ids.size} ids for {count} vectors; give one for each")
    rows = np.arange(count)
    if data is None:
        names = np.asarray(found["labels"]).astype(str) if "labels" in found else np.full(count, NO_CLASS)
        beside = Path(path).resolve().parent
        files = [_file(name, beside) for name in ids] if ids is not None else [""] * count
    else:
        table = pictures_table(data, columns, split_by=split_by)
        at = _rows_in(table, ids, count, path, data)
        if split not in (None, "all"):
            known = table["split"].to_numpy().astype(str)[at] if "split" in table.columns else np.full(count, "")
            rows = np.flatnonzero(known == split)
            if not len(rows):
                raise KinsightError(
                    f"{data} has none of the embeddings of {path} in the split '{split}'; it has: "
                    f"{', '.join(sorted({*known} - {''}) or ['no splits'])}, all"
                )
        names = (
            _titles(table)[at] if "label" in table.columns else np.asarray(found.get("labels", NO_CLASS)).astype(str)
        )
        names = np.broadcast_to(names, count)
        files = table["path"].to_numpy()[at].astype(str).tolist()
        ids = table["id"].to_numpy()[at].astype(str)
    chosen = rows[sampled_rows(names[rows], limit, seed)]
    return {
        "vectors": np.asarray(found["vectors"], dtype=np.float64)[chosen],
        "ids": ids[chosen] if ids is not None else np.array([f"row {row}" for row in chosen]),
        "labels": names[chosen],
        "paths": [files[row] for row in chosen],
        "boxes": None,
        "split": "" if split in (None, "all") else split_title(str(split)),
        "drawn_from": len(rows),
        "classes_drawn_from": len(np.unique(names[rows])),
        "unreadable": 0,
    }


def _rows_in(table: pd.DataFrame, ids: np.ndarray | None, count: int, path: str | Path, data: str | Path) -> np.ndarray:
    """The row of a table that each embedding is of."""
    if ids is None:
        if len(table) != count:
            raise KinsightError(
                f"{path} has {count:,} vectors without ids, and {data} has {len(table):,} pictures; give the table that they were made of"
            )
        return np.arange(count)
    place = {name: row for row, name in enumerate(table["id"].astype(str))}
    missing = [name for name in ids.tolist() if name not in place]
    if missing:
        raise KinsightError(
            f"{data} has no picture {missing[0]!r}, and lacks {len(missing):,} of the {count:,} that {path} has embeddings of; "
            "give the table that they were made of"
        )
    return np.array([place[name] for name in ids.tolist()])


def _titles(table: pd.DataFrame) -> np.ndarray:
    """What a person calls the class of each row, (N,)."""
    named = class_names(table)
    return (table["label"].to_numpy() if named is None else named).astype(str)


def _boxes(table: pd.DataFrame, rows: np.ndarray) -> list[Box | None]:
    whole = np.rint(boxes_of(table, rows)).tolist()
    return [None if np.isnan(box).any() else (int(box[0]), int(box[1]), int(box[2]), int(box[3])) for box in whole]


def _file(name: str, beside: Path) -> str:
    """The file that an id may be, from here or from beside the embeddings; else nothing."""
    return next((str(path) for path in (Path(name), beside / name) if name and exists(path)), "")


def _require_named(out: str | Path) -> None:
    if Path(out).suffix.lower() not in SUFFIXES:
        raise KinsightError(f"{Path(out).name!r} is no page and no figure; write a name that ends in .html or .png")
    require_writable(out)
