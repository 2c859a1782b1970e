"""One group of a model whose head has several."""

from __future__ import annotations

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.measuring.groups import NO_GROUPS
from kinsight.models import Model


def check_group(model: Model, group: int) -> None:
    """Refuse a group that a model does not have.

    Raises:
        KinsightError: the model has no groups, or none of this number.
    """
    if model.groups < 2:
        raise KinsightError(NO_GROUPS)
    if isinstance(group, bool) or not isinstance(group, int | np.integer) or not 0 <= group < model.groups:
        raise KinsightError(f"group {group!r} does not exist; this model has the groups 0 to {model.groups - 1}")


def group_vectors(vectors: np.ndarray, groups: int) -> np.ndarray:
    """Embeddings (N, P d) of a model with P groups -> those of each group alone, (N, P, d), of length 1."""
    parts = vectors.reshape(len(vectors), groups, -1)
    lengths = np.linalg.norm(parts, axis=2, keepdims=True)
    return parts / np.maximum(lengths, np.finfo(parts.dtype).tiny)
