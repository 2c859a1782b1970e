"""Vectors as embeddings, and one number of an objective, for tests of losses."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from kinsight.models import Embedding
from kinsight.objectives import Objective


def embedding_of(vectors: Tensor) -> Embedding:
    """(N, D) as the embedding of a plain head; (N, P, d) as that of a head with groups."""
    if vectors.ndim == 3:
        return Embedding(vectors, vectors.flatten(1), kind="groups")
    return Embedding.single(vectors)


def total(objective: Objective, vectors: Tensor, labels: Tensor, **options: Any) -> Tensor:
    """The number that is minimised."""
    return objective(embedding_of(vectors), labels, **options).total


def loss_of(objective: Objective) -> Any:
    """The loss of the whole embedding."""
    return objective.terms["whole"].get_submodule("metric.loss")


def miner_of(objective: Objective) -> nn.Module:
    """Its miner."""
    return objective.terms["whole"].get_submodule("metric.miner")
