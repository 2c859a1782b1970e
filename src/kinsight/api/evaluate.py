"""kinsight.evaluate: a run, a model with pictures, or anybody's vectors with labels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kinsight import evaluation, processes
from kinsight.api.columns import columns_of
from kinsight.api.embed import Embeddings, Pictures, pictures_table
from kinsight.api.foreign_embeddings import read_embeddings
from kinsight.api.load import load
from kinsight.api.numbers import require_seed, require_whole
from kinsight.api.opened_run import rows_of, sound_rows
from kinsight.api.run_evaluation import evaluate_run
from kinsight.api.two_views import direction, how_evaluated
from kinsight.data import read_table
from kinsight.errors import KinsightError
from kinsight.evaluation import Evaluation
from kinsight.evaluation.query_gallery import Column
from kinsight.files import require_writable, write_text
from kinsight.models import Model
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol
from kinsight.settings.training import DataSettings
from kinsight.training.encoding import encode_rows

# Which parameters belong to what is measured; the others are for all.
_OF_RUN = ("untrained", "groups", "subspace", "which", "mistakes")
_COLUMNS = ("root", "path_column", "label_column")
_OF_TABLE = ("data", "split", "split_by", "query_view", *_COLUMNS)
_OF_FILE = ("vectors_key",)
_OF_VECTORS = ("queries", "gallery", "cameras", "sequences")
_OF_NUMBERS = ("clustering", "diagnosis", "intervals", "whole_gallery", "seed", "device", "budget_mb")


def evaluate(
    run: str | Path | Model | Embeddings | np.ndarray | None = None,
    labels: Column | str | Path | None = None,
    *,
    embeddings: str | Path | None = None,
    vectors_key: str | None = None,
    data: Pictures | None = None,
    split: str | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    untrained: bool | None = None,
    groups: bool = False,
    subspace: int | None = None,
    which: str = "best",
    mistakes: int = 6,
    query_view: str | None = None,
    k: Sequence[int] = (1, 2, 4, 8),
    per_query: str | Path | None = None,
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
    cameras: Column | None = None,
    sequences: Column | None = None,
    clustering: bool = True,
    diagnosis: bool = True,
    intervals: bool = True,
    whole_gallery: bool = True,
    seed: int = 0,
    device: str | torch.device | None = None,
    budget_mb: float = 512,
    progress: bool = False,
) -> Evaluation:
    """Measure how well embeddings retrieve and separate classes: recall@k, P@1, R-precision, MAP@R, mAP, NMI, ...

    - `evaluate("runs/birds")`: a run on its unseen classes; writes `evaluation/` and `report.html` into the run folder.
    - `evaluate(model, data="birds.csv")`, `evaluate(model, labels, data=files)`: any model on pictures.
    - `evaluate(vectors, labels)`, `evaluate(embeddings="embeddings.npz")`: anybody's embeddings, from any model.

    Every query is compared with the gallery by the cosine; it never finds itself (by row, so a duplicate of it can be found).

    Args:
        run: a run folder; a model or its folder; or vectors (N, D), which need not have unit length.
        labels: of vectors, or of a list of pictures: classes (N,), numbers or text; beside `embeddings` also a file of them.
        embeddings: a file of them: an `.npz` with `vectors (N, D)` and `labels (N,)`, and where known `ids`, `is_query`, `is_gallery`,
            `camera`, `sequence` (N,); a `.npy` of vectors, with `labels`; a CSV or parquet file with a row a vector.
        vectors_key: of `embeddings`: the array of vectors, or the column of lists or the beginning of the columns that hold them.
        data: for a model its table, folder, zip or list of pictures; for a run another table than its own.
        split: test, validation, train or all; None: test for a run, all for a model.
        split_by: which column of the table is the split, or `halves`.
        root: of `data`: the folder that its relative paths begin at.
        path_column, label_column: of `data`: where its paths and classes are, under names of their own.
        untrained: of a run: also what training started from: the trunk with its starting weights, pooled, without a head. None: where
            that needs nothing from the network.
        groups: of a run: also each group of the trained model alone.
        subspace: of a run that was trained with the method division: also this subspace alone, from 0.
        which: of a run: `best` (chosen on validation classes) or `last`.
        mistakes: of a run: how many of the worst mistakes are explained, each on a page in `pairs/` that the report opens.
        query_view: of a model of two streams: the view whose pictures search those of the other; None: its first one.
        k: the k of recall@k; of two streams 1, 5, 10 and 1 % of the gallery where nobody says otherwise.
        per_query: a CSV file to write: one row a query with its id, label and the value of every ranking metric.
        queries, gallery: of vectors: masks (N,) of those that search and those that are found; an item may be both; None for all.
        cameras: a query does not meet items of its own label and camera, as in re-identification; None or NaN in it for no camera.
        sequences: a query does not meet items of its own sequence, whatever their label; None or NaN in it for no sequence.
        clustering: NMI, AMI and F1 of k-means with as many clusters as classes; by far the longest part for many classes.
        diagnosis: effective dimensionality, spectrum, distances, hubness.
        intervals: 95 % intervals of the ranking metrics, as `<name>_low` and `<name>_high`.
        whole_gallery: mAP and MRR, which need the rank of every positive in the whole gallery.
        seed: of clustering and intervals.
        device: of the search: "cpu" or "cuda"; None takes the GPU where there is one.
        budget_mb: working memory of the search.
        progress: show a bar.

    Returns:
        The numbers by name, fractions not percent, with `per_query`, `neighbours` and `protocol`. Of a run, `others` has the
        evaluations that `untrained`, `groups` and `subspace` ask for.

    Raises:
        KinsightError: what was given cannot be measured, or belongs to another way of calling.
    """
    given = dict(locals())
    if (run is None) == (embeddings is None):
        raise KinsightError(
            "give either a run folder, a model or vectors, or --embeddings FILE"
            if run is None
            else "a run and --embeddings were given; give one of them"
        )
    require_seed(seed)
    require_whole(0, mistakes=mistakes)
    for each in k:
        require_whole(1, k=each)
    if per_query is not None:
        require_writable(per_query)
    numbers = {name: given[name] for name in _OF_NUMBERS}
    if isinstance(run, str | Path) and not _is_model(run):
        _refuse("a run", given, (*_OF_FILE, *_OF_VECTORS, *_OF_NUMBERS, "labels"))
        if data is not None and not isinstance(data, str | Path):
            raise KinsightError(
                "data of a run is a table, folder or zip; give its path, or load the model and give that"
            )
        names = ("split_by", "untrained", "which", "groups", "subspace", "mistakes", "query_view", "progress")
        wanted = {name: given[name] for name in names}
        columns = columns_of(data, **{name: given[name] for name in _COLUMNS})
        found = evaluate_run(run, data=data, split=split or "test", k=k, columns=columns, **wanted)
        result = found.pop("trained")
        result.others = found
    elif isinstance(run, str | Path | Model):
        _refuse("a model", given, (*_OF_RUN, *_OF_FILE, *_OF_VECTORS))
        model = run if isinstance(run, Model) else load(run, device=processes.device())
        if isinstance(labels, str | Path):
            raise KinsightError(
                f"labels of a model's pictures are a list, not {labels}; read the file, or give a table as data"
            )
        result = _of_model(
            model,
            labels,
            data,
            split or "all",
            split_by,
            {name: given[name] for name in _COLUMNS},
            k,
            numbers,
            query_view,
            progress,
        )
    else:
        _refuse("vectors", given, (*_OF_RUN, *_OF_TABLE))
        known = {name: given[name] for name in ("labels", *_OF_VECTORS)}
        if embeddings is None:
            _refuse("vectors in memory", given, _OF_FILE)
            arrays = _given_vectors(run)
        else:
            arrays = read_embeddings(embeddings, vectors_key=vectors_key, labels=known.pop("labels"))
        result = _of_vectors(arrays, known, k, numbers)
    if per_query is not None:
        assert result.per_query is not None
        rows = {"id": result.ids[result.query_rows], "label": result.labels[result.query_rows]}
        write_text(per_query, pd.DataFrame({**rows, **result.per_query}).to_csv(index=False))
    return result


def _is_model(path: str | Path) -> bool:
    return (Path(path) / "config.json").is_file() and not RunFolder(path).exists


def _refuse(what: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if given[name] is not inspect.signature(evaluate).parameters[name].default:
            raise KinsightError(f"{name} cannot be given with {what}; leave it out")


def _of_model(
    model: Model,
    labels: Column | None,
    data: Pictures | None,
    split: str,
    split_by: str | None,
    columns: Mapping[str, Any],
    k: Sequence[int],
    numbers: Mapping[str, Any],
    query_view: str | None,
    progress: bool,
) -> Evaluation:
    if data is None:
        raise KinsightError("a model was given without pictures; add --data with a table, a folder or a zip")
    settings = DataSettings(
        path=str(data) if isinstance(data, str | Path) else "pictures", split_by=split_by, fold=None
    )
    if isinstance(data, str | Path):
        if labels is not None:
            raise KinsightError(
                f"labels were given beside {data}, which brings its own; give a list of files, or no labels"
            )
        table = read_table(data, split_by=split_by, **columns)
        rows = sound_rows(table, split, settings)
    else:
        table = pictures_table(data).assign(split="test")
        if labels is None or len(labels) != len(table):
            count = "no labels were" if labels is None else f"{len(labels)} labels were"
            raise KinsightError(f"{count} given for {len(table)} pictures; give one for each")
        table["label"] = list(labels)
        rows = rows_of(table, "all", settings)
    encoded = encode_rows(model, table, rows, settings, progress=progress)
    classes = table["label"].to_numpy()[encoded.rows]
    result = evaluation.evaluate(
        encoded.vectors, classes, **how_evaluated(model, table, encoded.rows, k, query_view), per_query=True, **numbers
    )
    result.ids, result.labels = table["id"].to_numpy()[encoded.rows].astype(str), classes.astype(str)
    result.protocol |= direction(model, query_view) | {
        "data": data_protocol(table, settings),
        "model": {"digest": model.digest(), "preprocessing": model.preprocessing.to_dict(), "dim": model.dim},
        "unreadable_pictures": encoded.unreadable,
    }
    return result


def _given_vectors(vectors: Any) -> dict[str, Any]:
    if isinstance(vectors, Embeddings):
        return {"vectors": vectors.vectors, "labels": vectors.labels, "ids": vectors.ids}
    return {"vectors": vectors}


def _of_vectors(
    arrays: Mapping[str, Any], given: Mapping[str, Any], k: Sequence[int], numbers: Mapping[str, Any]
) -> Evaluation:
    found = {**arrays, **{name: value for name, value in given.items() if value is not None}}
    vectors, labels, ids = found.pop("vectors"), found.pop("labels", None), found.pop("ids", None)
    if labels is None:
        raise KinsightError("vectors were given without labels; give the class of each: evaluate(vectors, labels)")
    result = evaluation.evaluate(vectors, labels, ks=tuple(k), per_query=True, **found, **numbers)
    result.ids = np.arange(len(vectors)).astype(str) if ids is None or len(ids) != len(vectors) else np.asarray(ids)
    result.labels = np.asarray(labels).astype(str)
    return result
