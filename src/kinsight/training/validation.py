"""Validation on held-out classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from kinsight import processes
from kinsight.data import view_numbers
from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.evaluation.metrics import describe
from kinsight.models import Model, TwoStreams
from kinsight.settings.training import TrainingSettings
from kinsight.training.encoding import encode_rows
from kinsight.training.standing_trunk import Standing

METRICS = ("precision_at_1", "r_precision", "map_at_r")
CHOSEN_BY = METRICS[2]
"""What decides which model of a run is the best."""


def is_better(value: float, best: float | None) -> bool:
    """Whether a value of `CHOSEN_BY` is better than the best so far (None: there is none)."""
    return best is None or (value > best if describe(CHOSEN_BY).higher_is_better else value < best)


def validate(
    embedder: Model, table: pd.DataFrame, settings: TrainingSettings, standing: Standing | None = None
) -> dict[str, float]:
    """P@1, R-precision and MAP@R on the validation classes; the same numbers on every process.

    `standing`: as in `encode_rows`.
    """
    rows = np.flatnonzero((table["split"] == "validation").to_numpy())
    encoded = encode_rows(embedder, table, rows, settings.data, standing=standing)
    values = torch.zeros(len(METRICS), dtype=torch.float64)
    if processes.is_main():
        metrics = evaluate(
            encoded.vectors,
            table["label"].to_numpy()[encoded.rows],
            **who_searches(embedder, table, encoded.rows),
            ks=(1,),
            whole_gallery=False,
            clustering=False,
            diagnosis=False,
            intervals=False,
        )
        values = torch.tensor([metrics[name] for name in METRICS], dtype=torch.float64)
    return dict(zip(METRICS, processes.broadcast(values).tolist(), strict=True))


def who_searches(model: Model, table: pd.DataFrame, rows: np.ndarray, query_view: str | None = None) -> dict[str, Any]:
    """Who searches whom among the given rows, as arguments of `evaluate`: what the table says (`roles`); pictures of one view those of the
    other where the model has two streams.

    Args:
        query_view: the view that searches; None: the first one.

    Raises:
        KinsightError: the model has no such view.
    """
    if not isinstance(model, TwoStreams):
        if query_view is not None:
            raise KinsightError(
                f"query view {query_view} was given for a model of one stream, which knows no views; leave it out"
            )
        return roles(table, rows)
    asking = model.names[0] if query_view is None else query_view
    if asking not in model.names:
        raise KinsightError(f"query view {asking!r} is no view of this model; write {' or '.join(model.names)}")
    asks = view_numbers(table, model.names, rows) == model.names.index(asking)
    return {"queries": asks, "gallery": ~asks}


def roles(table: pd.DataFrame, rows: np.ndarray) -> dict[str, Any]:
    """What the table says of the given rows beside their labels, as arguments of `evaluate`: query and gallery flags, camera, sequence."""
    names = {"is_query": "queries", "is_gallery": "gallery", "camera": "cameras", "sequence": "sequences"}
    found = {}
    for column, name in names.items():
        if column in table.columns and not table[column].iloc[rows].isna().any():
            found[name] = table[column].to_numpy()[rows]
    return found
