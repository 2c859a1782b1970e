"""kinsight.index: an index of pictures, made, gone on with, brought up to date or changed."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from kinsight.api.columns import columns_of
from kinsight.api.embed import Pictures, pictures_table
from kinsight.api.indexed_model import GivenModel, IndexedModel, indexed_model
from kinsight.api.numbers import require_whole
from kinsight.api.opened_index import Index, open_index
from kinsight.errors import KinsightError
from kinsight.retrieval.about import TYPES, About
from kinsight.retrieval.opening import create_store, open_store
from kinsight.retrieval.qdrant_store import (
    QdrantStore,
    create_server,
    delete_server,
    is_server,
    open_server,
    server_has,
)
from kinsight.retrieval.store import Store


def index(
    model: GivenModel | None = None,
    pictures: Pictures | None = None,
    *,
    out: str | Path | None = None,
    update: bool = False,
    prune: bool = False,
    remove: str | Collection[str] = (),
    stream: str | None = None,
    places: bool = False,
    approximate: bool = False,
    dtype: Literal["float16", "float32"] = "float16",
    crop_to_box: bool = False,
    batch_size: int = 64,
    workers: int = 2,
    on_unreadable: Literal["refuse", "skip"] = "refuse",
    progress: bool = False,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> Index:
    """Make an index of pictures, go on with one that was cut off, or bring one up to date.

    Args:
        model: a model, or the folder of a run or model; or the `Explainer` of a network that Kinsight never trained, with the
            `Preprocessing` that it is fed with. None, without pictures: `out` as it is.
        pictures: a table, folder, zip or list; all columns of a table are kept, and conditions may name them.
        out: the file, usually NAME.kin, or the address of a Qdrant server and a collection, qdrant://HOST:PORT/NAME; None: in memory. One
            that was cut off is gone on with.
        update: bring a finished index up to date: what is new or changed is embedded, the rest stays.
        prune: with `update`: remove the pictures that are not among those given any more.
        remove: ids of pictures that are removed from `out`, first.
        stream: of a model of two streams: of which view the pictures are; of a table of both those of this view are taken.
        places: keep what the places of every picture say, compressed, so that a region can be compared with each of them.
        approximate: build the lists for approximate search, at the end; also of `out` as it is.
        dtype: how vectors are kept; float16 takes half the room of float32, and moves scores by less than a thousandth.
        crop_to_box: cut every picture to its box in the table.
        batch_size: pictures embedded and committed at a time.
        workers: processes that decode pictures; 0: none beside the main one.
        on_unreadable: `refuse` stops with the path of a corrupt picture, `skip` leaves it out.
        progress: show a bar.
        root, path_column, label_column: of a table: where its relative paths begin, and its columns under names of their own.

    Raises:
        KinsightError: the model or the pictures cannot be read, or the file is a finished index (without `update`), one of another model,
            or no index.
    """
    require_whole(1, batch_size=batch_size)
    require_whole(0, workers=workers)
    if dtype not in TYPES:
        raise KinsightError(f"dtype {dtype!r} is not known; write float16 or float32")
    if prune and not update:
        raise KinsightError("prune was given without update, which compares the index with the pictures; add update")
    if model is None and pictures is None and out is not None:
        made = open_index(out, writable=bool(remove) or approximate)
        if remove:
            made.remove(remove)
        if approximate:
            made.build_approximate()
        return made
    if model is None or pictures is None:
        missing = "no model was given" if model is None else "no pictures were given"
        raise KinsightError(f"{missing}; give both, a model and pictures, or neither and the file of an index as out")
    known = indexed_model(model, stream)
    embedder = known.embedder
    # Before the file is made: what cannot be read leaves none behind.
    columns = columns_of(pictures, root=root, path_column=path_column, label_column=label_column, what="pictures")
    table = _of_stream(pictures_table(pictures, columns), stream)
    begun = out is not None and not _exists(out)
    store: Store | QdrantStore
    if out is not None and not begun:
        store = open_server(out) if is_server(out) else open_store(out, writable=True)
        if store.about.complete and not update:
            raise KinsightError(
                f"{out} is an index already, of {len(store):,} pictures; bring it up to date with update (--update), or choose another name"
            )
        if store.about.crop_to_box != crop_to_box:
            cut = "cut to their boxes" if store.about.crop_to_box else "whole"
            raise KinsightError(
                f"{out} holds pictures {cut}; give crop_to_box as when it was built, or build another index"
            )
        if store.about.model.get("stream") != stream:
            held = store.about.model.get("stream")
            raise KinsightError(
                f"{out} holds pictures of the stream {held}; give it as when it was built, or build another index"
            )
        if places and store.about.places is None:
            raise KinsightError(f"{out} was built without places; leave them out, or build another index")
    else:
        about = About(embedder.dim, dtype, _bound(known, model, out), crop_to_box)
        if places:
            about.places = {"stage": known.explainer("auto").stage}
        store = create_server(out, about) if is_server(out) else create_store(out, about)
    made = Index(store, known.whole)
    if remove:
        made.remove(remove)
    try:
        made.update_from(
            table,
            prune=prune,
            batch_size=batch_size,
            workers=workers,
            on_unreadable=on_unreadable,
            progress=progress,
        )
        if (begun or out is None) and not len(made):
            raise KinsightError(
                f"none of the {len(table):,} pictures can be read; the first of them is {table['path'].iloc[0]}"
            )
    except KinsightError:
        if begun and out is not None and not len(made):
            made.close()
            delete_server(out) if is_server(out) else os.unlink(out)
        raise
    if approximate:
        made.build_approximate()
    return made


def _exists(out: str | Path) -> bool:
    return server_has(out) if is_server(out) else os.path.lexists(out)


def _of_stream(table: pd.DataFrame, stream: str | None) -> pd.DataFrame:
    """Of a table of both views the pictures of one."""
    if stream is None or "view" not in table:
        return table
    kept = table[table["view"] == stream].reset_index(drop=True)
    if kept.empty:
        views = ", ".join(sorted(map(str, set(table["view"]))))
        raise KinsightError(f"the table has no pictures of the view {stream}; its views are {views}")
    return kept


def _bound(known: IndexedModel, model: Any, out: str | Path | None) -> dict[str, Any]:
    """What an index says of the model that its embeddings are of."""
    bound: dict[str, Any] = {"digest": known.whole.digest(), "preprocessing": known.embedder.preprocessing.to_dict()}
    if known.stream is not None:
        bound["stream"] = known.stream
    if isinstance(model, str | Path):
        bound["path"] = os.path.abspath(model)
        if out is not None and not is_server(out):
            bound["beside"] = os.path.relpath(model, os.path.dirname(os.path.abspath(out)))
    return bound
