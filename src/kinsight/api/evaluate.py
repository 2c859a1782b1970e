"""kinsight.evaluate: runs, and anybody's embeddings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.one_group import group_vectors
from kinsight.api.opened_run import evaluation_data, rows_of
from kinsight.errors import KinsightError
from kinsight.evaluation import Evaluation, evaluate
from kinsight.explanation.measuring.groups import NO_GROUPS
from kinsight.files import write_json, write_npz
from kinsight.models import Embedder, build_embedder, load_embedder
from kinsight.processes import device
from kinsight.reading import read_npz
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol
from kinsight.settings.training import DataSettings, TrainingSettings
from kinsight.show import write_report
from kinsight.training.encoding import EncodedRows, encode_rows
from kinsight.training.validation import roles


def evaluate_run(
    run: str | Path,
    *,
    data: str | None = None,
    split: str = "test",
    split_by: str | None = None,
    untrained: bool = False,
    which: str = "best",
    ks: Sequence[int] = (1, 2, 4, 8),
    groups: bool = False,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Evaluate the model of a run on unseen classes and write `evaluation/` and `report.html` into the run folder.

    Args:
        run: the run folder.
        data: another table, folder or zip than the run's own.
        split: `test`, `validation`, `train`, or `all`.
        split_by: which column of the table is the split, or `halves`.
        untrained: also evaluate what training started from: the trunk with its starting weights, pooled, without a head.
        which: `best` (chosen on validation classes) or `last`.
        groups: also evaluate each group of the trained model alone; their records follow, `test-group-0` and so on.

    Returns:
        One record each: name, model, split, metrics (flat, fractions), protocol.

    Raises:
        KinsightError: there is no run, the split has no pictures, or the model has no groups.
    """
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by)
    name = "-".join([*([Path(data).stem] if data else []), *([split_by] if split_by else []), split])
    trained = load_embedder(folder.trained_model(which), device=device())
    if groups and trained.groups < 2:
        raise KinsightError(NO_GROUPS)
    models = [("trained", trained, name if which == "best" else f"{name}-{which}")]
    if untrained:
        models.append(("untrained", starting_point(settings).to(device()), f"{name}-untrained"))
    records = []
    for kind, model, title in models:
        records += _evaluate_one(
            folder, title, kind, model, table, split, settings.data, ks, progress, groups=groups and model is trained
        )
    write_report(folder.path)
    return records


def starting_point(settings: TrainingSettings) -> Embedder:
    """What training starts from: the trunk with its starting weights and the head's pooling, nothing learned."""
    head = {"name": "linear", "dim": None, "pooling": settings.model.head.get("pooling", "avg")}
    return build_embedder(replace(settings.model, head=head), seed=settings.seed)


def evaluate_file(path: str | Path, *, ks: Sequence[int] = (1, 2, 4, 8)) -> Evaluation:
    """Evaluate anybody's embeddings.

    Args:
        path: an `.npz` with `vectors (N, D)` and `labels (N,)`, optionally `is_query`, `is_gallery`, `camera`, `sequence` (N,).
        ks: the k of recall@k.

    Raises:
        KinsightError: the file or one of its arrays is missing or unusable.
    """
    arrays = read_npz(path, otherwise="write it with numpy.savez(file, vectors=..., labels=...)")
    missing = [name for name in ("vectors", "labels") if name not in arrays]
    if missing:
        raise KinsightError(
            f"{path} has no array {' and no array '.join(missing)} (it has: {', '.join(arrays) or 'none'}); add it"
        )
    names = {"is_query": "queries", "is_gallery": "gallery", "camera": "cameras", "sequence": "sequences"}
    known: dict[str, Any] = {argument: arrays[name] for name, argument in names.items() if name in arrays}
    return evaluate(arrays["vectors"], arrays["labels"], ks=tuple(ks), **known)


def _evaluate_one(
    folder: RunFolder,
    name: str,
    kind: str,
    model: Embedder,
    table: pd.DataFrame,
    split: str,
    data: DataSettings,
    ks: Sequence[int],
    progress: bool,
    *,
    groups: bool = False,
) -> list[dict[str, Any]]:
    rows = rows_of(table, split, data)
    started = time.monotonic()
    encoded = encode_rows(model, table, rows, data, progress=progress)
    labels = table["label"].to_numpy()[encoded.rows]
    known: dict[str, Any] = {"digest": model.digest(), "preprocessing": model.preprocessing.to_dict()}
    readings = [(name, kind, {**known, "dim": model.dim}, encoded)]
    if groups:
        alone = group_vectors(encoded.vectors, model.groups)  # (R, P, d)
        for group in range(model.groups):
            told = {**known, "dim": alone.shape[2], "group": group}
            one = replace(encoded, vectors=alone[:, group])
            readings.append((f"{name}-group-{group}", f"group {group}", told, one))
    records = []
    for title, what, told, one in readings:
        result = evaluate(one.vectors, labels, **roles(table, one.rows), ks=tuple(ks), per_query=True)
        record = {
            "name": title,
            "model": what,
            "split": split,
            "metrics": dict(result),
            "protocol": {
                **result.protocol,
                "data": data_protocol(table, data),
                "model": told,
                "unreadable_pictures": one.unreadable,
                "seconds": round(time.monotonic() - started, 1),
            },
        }
        write_json(folder.evaluation / f"{title}.json", record)
        write_npz(folder.evaluation / f"{title}.npz", _arrays(table, one, result))
        records.append(record)
    return records


def _arrays(table: pd.DataFrame, encoded: EncodedRows, result: Evaluation) -> dict[str, np.ndarray]:
    per_query = result.per_query or {}
    return {
        **_class_names(table, encoded.rows),
        "ids": table["id"].to_numpy()[encoded.rows].astype(str),
        "paths": table["path"].to_numpy()[encoded.rows].astype(str),
        "labels": table["label"].to_numpy()[encoded.rows].astype(str),
        "vectors": encoded.vectors,
        "query_rows": result.query_rows,
        "neighbours": result.neighbours.indices,
        "scores": result.neighbours.scores,
        **per_query,
        "average_precision": per_query["map_at_r"],
    }


def _class_names(table: pd.DataFrame, rows: np.ndarray) -> dict[str, np.ndarray]:
    """`names (N,)` for the report, if the table names each label in a column `class_name`, no two alike."""
    if "class_name" not in table.columns or table["class_name"].isna().any():
        return {}
    pairs = table[["label", "class_name"]].drop_duplicates()
    if pairs["label"].duplicated().any() or pairs["class_name"].duplicated().any():
        return {}
    return {"names": table["class_name"].to_numpy()[rows].astype(str)}


def per_query_table(run: str | Path, name: str) -> pd.DataFrame:
    """One row a query of an evaluation of a run: its id, label and the value of every ranking metric."""
    with np.load(RunFolder(run).evaluation / f"{name}.npz", allow_pickle=False) as arrays:
        rows = arrays["query_rows"]
        known = {
            "names",
            "ids",
            "paths",
            "labels",
            "vectors",
            "query_rows",
            "neighbours",
            "scores",
            "average_precision",
        }
        values = {key: arrays[key] for key in arrays.files if key not in known}
        return pd.DataFrame({"id": arrays["ids"][rows], "label": arrays["labels"][rows], **values})
