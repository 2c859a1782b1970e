"""A head that starts from the training pictures: fitted to what it pools of them before the first step, and anew where its start is what
is kept.

Such a head says in `pictures_to_fit` how many it takes at least and in `fitted` whether it is, and has its `pooling`,
`fit(pooled, labels, seed)`, and, where it can do without, `unfit()`.
"""

from __future__ import annotations

import logging
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from kinsight import processes
from kinsight.errors import KinsightError
from kinsight.models import Embedder, Embedding, Model
from kinsight.settings.training import TrainingSettings
from kinsight.training.encoding import encode_rows
from kinsight.training.standing_trunk import Standing

logger = logging.getLogger("kinsight")


def is_fitted(embedder: Model) -> TypeGuard[Embedder]:
    """Whether the head wants to be fitted; never those of two streams."""
    return _least(embedder) > 0


def fit_head(
    embedder: Embedder,
    table: pd.DataFrame,
    rows: np.ndarray,
    labels: np.ndarray,
    settings: TrainingSettings,
    standing: Standing | None = None,
) -> None:
    """Fit the head to the training pictures, the given rows of the table, and their classes; on every process to the same values.

    `standing`: as in `encode_rows`.

    Raises:
        KinsightError: there are fewer pictures than it takes.
    """
    if processes.is_main():
        logger.info("fitting the head to %d training pictures", len(rows))
    head: Any = embedder.learned_head
    pooled = Embedder(embedder.trunk, _Pooled(embedder), embedder.preprocessing, embedder.settings)
    found = encode_rows(pooled, table, rows, settings.data, normalize=False, standing=standing)
    if len(found.rows) < _least(embedder):
        raise KinsightError(
            f"the head is fitted to at least {_least(embedder)} training pictures and {len(found.rows)} can be read; give more, or "
            "lower its options (model.head.dim, ...)"
        )
    if processes.is_main():
        head.fit(found.vectors, labels[np.searchsorted(rows, found.rows)], settings.seed)
    for value in head.state_dict().values():  # detached, of the head itself
        value.copy_(processes.broadcast(value))


def refit_head(
    model: Embedder, table: pd.DataFrame, settings: TrainingSettings, standing: Standing | None = None
) -> int:
    """Fit the fitted head of a kept start anew, now to the validation classes too; to how many classes, 0 where there is nothing to do.

    The more classes it is fitted to the better it holds for others, and once the choice is made the validation classes have nothing
    more to say.
    """
    if not is_fitted(model) or not model.learned_head.fitted:
        return 0
    rows = np.flatnonzero(table["split"].isin(["train", "validation"]).to_numpy())
    labels, classes = pd.factorize(table["label"].to_numpy()[rows], sort=True)
    fit_head(model, table, rows, labels.astype(np.int64), settings, standing)
    return len(classes)


def unfit_head(embedder: Model) -> bool:
    """Let the head be as before; whether it can do without being fitted."""
    unfit: Any = getattr(embedder.learned_head, "unfit", None)
    if unfit is None:
        return False
    unfit()
    return True


class _Pooled(nn.Module):
    """What the head of a model pools, as the embedding."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        head: Any = embedder.learned_head
        trunk, self.reads, self.pooling = embedder.trunk, embedder.reads, head.pooling
        with torch.no_grad():
            self.dim = head.pooling(torch.zeros(1, trunk.channels, *trunk.map_size, device=embedder.device)).shape[1]

    def forward(self, feature_map: Tensor) -> Embedding:
        return self.from_pooled(self.pooling(feature_map))

    def from_pooled(self, pooled: Tensor) -> Embedding:
        return Embedding.single(pooled)  # (N, C')


def _least(embedder: Model) -> int:
    return int(getattr(embedder.learned_head, "pictures_to_fit", 0))
