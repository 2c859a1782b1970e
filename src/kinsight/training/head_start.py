"""A head that starts from the training pictures: fitted to them before the first step, and anew where its start is what is kept."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import torch
from torch import nn

from kinsight import processes
from kinsight.models import Embedder
from kinsight.models.heads import WITHIN_CLASS, LinearHead
from kinsight.models.whitening import within_class_whitening
from kinsight.settings.training import DataSettings
from kinsight.training.encoding import encode_rows
from kinsight.training.standing_trunk import StandingTrunk

logger = logging.getLogger("kinsight")


def is_fitted(embedder: Embedder) -> bool:
    """Whether the head wants to be fitted; until then it hands on what is pooled."""
    return isinstance(embedder.head, LinearHead) and embedder.head.init == WITHIN_CLASS


def fit_head(
    embedder: Embedder,
    table: pd.DataFrame,
    rows: np.ndarray,
    labels: np.ndarray,
    data: DataSettings,
    standing: StandingTrunk | None = None,
) -> None:
    """Fit the head to the training pictures, the given rows of the table, and their classes; on every process to the same values.

    `standing`: as in `encode_rows`.
    """
    if processes.is_main():
        logger.info("fitting the head to %d training pictures", len(rows))
    encoded = encode_rows(embedder, table, rows, data, normalize=False, standing=standing)
    layer = _last_layer(embedder)
    weight, bias = layer.weight.detach().cpu(), layer.bias.detach().cpu()
    if processes.is_main() and len(encoded.rows):
        known = torch.from_numpy(labels[np.searchsorted(rows, encoded.rows)])
        weight, bias = within_class_whitening(torch.from_numpy(encoded.vectors), known)
    set_head(embedder, processes.broadcast(weight), processes.broadcast(bias))


def refit_head(model: Embedder, table: pd.DataFrame, data: DataSettings) -> int:
    """Fit the fitted head of a kept start anew, now to the validation classes too; to how many classes, 0 where there is nothing to do.

    The more classes it is fitted to the better it holds for others, and once the choice is made the validation classes have nothing
    more to say.
    """
    rows = np.flatnonzero(table["split"].isin(["train", "validation"]).to_numpy())
    layer = _last_layer(model) if is_fitted(model) else None
    if layer is None or torch.equal(layer.weight.detach().cpu(), torch.eye(model.dim)):
        return 0
    labels, classes = pd.factorize(table["label"].to_numpy()[rows], sort=True)
    unfit_head(model)
    fit_head(model, table, rows, labels.astype(np.int64), data)
    return len(classes)


def unfit_head(embedder: Embedder) -> None:
    """Let the head hand on what is pooled, as before."""
    set_head(embedder, torch.eye(embedder.dim), torch.zeros(embedder.dim))


def set_head(embedder: Embedder, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Put values into the last layer."""
    layer = _last_layer(embedder)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def _last_layer(embedder: Embedder) -> nn.Linear:
    layer: nn.Linear = embedder.head.layers[-1]  # type: ignore[index, assignment]
    return layer
