"""The models of a run measured on one split; what is measured is written into its `evaluation/`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kinsight.api.mistake_pages import write_mistake_pages
from kinsight.api.one_group import group_vectors
from kinsight.api.opened_run import evaluation_data, rows_of
from kinsight.api.two_views import direction, how_evaluated
from kinsight.data import class_names
from kinsight.errors import KinsightError
from kinsight.evaluation import Evaluation, evaluate
from kinsight.explanation.measuring.groups import NO_GROUPS
from kinsight.models import Model, TwoStreams, load_model
from kinsight.models.subspaces import ONLY_ONE
from kinsight.processes import device
from kinsight.runs.evaluations import TRAINED, UNTRAINED, EvaluationRecord
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import LAST_STEP, Selection, data_protocol
from kinsight.runs.ranking import Ranking
from kinsight.settings.training import DataSettings, TrainingSettings
from kinsight.show import write_report
from kinsight.training.building import starting_point
from kinsight.training.encoding import EncodedRows, encode_rows


def evaluate_run(
    run: str | Path,
    *,
    data: str | Path | None,
    split: str,
    split_by: str | None,
    untrained: bool | None,
    which: str,
    k: Sequence[int],
    groups: bool,
    subspace: int | None,
    mistakes: int,
    progress: bool,
    query_view: str | None = None,
    columns: Mapping[str, Any] | None = None,
) -> dict[str, Evaluation]:
    """The evaluations of a run by the name of the model: `trained`, and as asked for `untrained`, `group 0`, `group 1`, ..., `subspace 3`.

    Each is written into the run folder, and the report anew.

    Raises:
        KinsightError: there is no run, the split has no pictures, or the model has no groups, or no such subspace.
    """
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by, columns=columns)
    trained = load_model(folder.trained_model(which), device=device())
    query_view = _other_direction(trained, query_view)
    told: dict[str, Any] = {"data": data, "split": split, "split_by": split_by, "query_view": query_view}
    name = evaluation_name(**told, which=which)
    if groups and trained.groups < 2:
        raise KinsightError(NO_GROUPS)
    models: list[tuple[str, Model, str]] = [(TRAINED, trained, name)]
    if subspace is not None:
        if trained.subspaces == 1 and trained.subspace_shares is not None:
            raise KinsightError(ONLY_ONE)
        models.append((f"subspace {subspace}", trained.subspace(subspace), f"{name}-subspace-{subspace}"))
    start = f"{evaluation_name(**told)}-{UNTRAINED}"
    if untrained is not False:
        models += [(UNTRAINED, model, start) for model in _start(settings, required=bool(untrained))]
    found: dict[str, Evaluation] = {}
    for kind, model, title in models:
        selection = None if kind == UNTRAINED else _selection(folder, which)
        found |= _evaluate_one(
            folder, title, kind, model, table, split, settings.data, k, progress,
            selection=selection, groups=groups and model is trained, query_view=query_view,
        )  # fmt: skip
    # A picture cut to its box is not the file that would be explained.
    write_mistake_pages(folder, name, trained, 0 if settings.data.crop_to_box else mistakes, query_view)
    write_report(folder.path)
    return found


def evaluation_name(
    *,
    data: str | Path | None,
    split: str,
    split_by: str | None,
    which: str = "best",
    query_view: str | None = None,
) -> str:
    """What the evaluation of a run is called in `evaluation/`."""
    asks = f"from-{query_view}" if query_view else ""
    parts = [Path(data).stem if data else "", split_by or "", split, asks, which if which != "best" else ""]
    return "-".join(filter(None, parts))


def _other_direction(model: Model, query_view: str | None) -> str | None:
    """The view that searches where it is not the usual one, the first of a model of two streams."""
    return None if isinstance(model, TwoStreams) and query_view == model.names[0] else query_view


def _start(settings: TrainingSettings, *, required: bool) -> list[Model]:
    """The starting point; none where it is not required and this machine alone cannot build it."""
    if settings.model.pretrained and not required:  # would ask the network
        return []
    try:
        return [starting_point(settings).to(device())]
    except KinsightError:
        if required:
            raise
        return []


def _evaluate_one(
    folder: RunFolder,
    name: str,
    kind: str,
    model: Model,
    table: pd.DataFrame,
    split: str,
    data: DataSettings,
    k: Sequence[int],
    progress: bool,
    *,
    selection: Selection | None,
    groups: bool = False,
    query_view: str | None = None,
) -> dict[str, Evaluation]:
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
    found = {}
    for title, what, told, one in readings:
        asked = how_evaluated(model, table, one.rows, k, query_view)
        result = evaluate(one.vectors, labels, **asked, per_query=True)
        result.ids = table["id"].to_numpy()[one.rows].astype(str)
        result.labels, result.name = labels.astype(str), title
        result.protocol |= direction(model, query_view) | {
            "data": data_protocol(table, data),
            "model": told,
            "unreadable_pictures": one.unreadable,
            "seconds": round(time.monotonic() - started, 1),
        }
        content = {
            "name": title, "model": what, "split": split, "metrics": dict(result), "protocol": result.protocol
        }  # fmt: skip
        record = replace(EvaluationRecord.from_plain(content), selection=selection)
        folder.evaluations.write(record, _ranking(table, one, result))
        found[what] = result
    return found


def _selection(folder: RunFolder, which: str) -> Selection | None:
    """How the measured checkpoint was chosen."""
    protocol = folder.read_protocol()
    if which == "best" or protocol.training.steps_done is None:
        return protocol.selection
    return Selection(LAST_STEP, protocol.training.steps_done)


def _ranking(table: pd.DataFrame, encoded: EncodedRows, result: Evaluation) -> Ranking:
    per_query = result.per_query or {}
    names = class_names(table)
    return Ranking(
        ids=table["id"].to_numpy()[encoded.rows].astype(str),
        paths=table["path"].to_numpy()[encoded.rows].astype(str),
        labels=table["label"].to_numpy()[encoded.rows].astype(str),
        vectors=encoded.vectors,
        query_rows=result.query_rows,
        neighbours=result.neighbours.indices,
        scores=result.neighbours.scores,
        precision_at_1=per_query["precision_at_1"],
        average_precision=per_query["map_at_r"],
        names=None if names is None else names[encoded.rows],
        per_query=per_query,
    )
