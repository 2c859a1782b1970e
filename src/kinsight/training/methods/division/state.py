"""The state of a division as a checkpoint holds it, read for showing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.errors import KinsightError
from kinsight.models.weights import read_tensors


@dataclass(frozen=True)
class DivisionState:
    """Of N training pictures.

    Attributes:
        clusters: (N,), the cluster of each as it is now; -1: set aside.
        history: (T, N), the clusters of each depth as they were when it began.
        depth: how many times the clusters were doubled.
    """

    clusters: np.ndarray
    history: np.ndarray
    depth: int

    @property
    def count(self) -> int:
        """How many clusters there are by now."""
        return int(self.clusters.max(initial=0)) + 1

    def depths(self) -> list[np.ndarray]:
        """The clusters of every depth that was reached, the last one as it is now."""
        return [*self.history[: self.depth], self.clusters]

    def when(self, count: int) -> DivisionState:
        """As it was when there began to be `count` clusters, where there are more by now: for a model from that time."""
        depth = min(count.bit_length() - 1, self.depth)
        return self if depth == self.depth else DivisionState(self.history[depth].astype(np.int64), self.history, depth)

    def of(self, rows: np.ndarray) -> DivisionState:
        """That of some of the pictures."""
        return DivisionState(self.clusters[rows], self.history[:, rows], self.depth)


def read_division(checkpoint: Path, pictures: int) -> DivisionState:
    """The division of a run's training pictures.

    Raises:
        KinsightError: the checkpoint holds none, or that of other pictures.
    """
    tensors = read_tensors(checkpoint / "method.safetensors")
    clusters, history, depth = (tensors.get(name) for name in ("clusters", "history", "masks.depth"))
    fits = (
        clusters is not None
        and history is not None
        and depth is not None
        and tuple(clusters.shape) == (pictures,)
        and history.ndim == 2
        and history.shape[1] == pictures
        and depth.ndim == 0
    )
    if not fits:
        raise KinsightError(
            f"{checkpoint} does not hold the division of {pictures:,} training pictures; it is damaged or of other data: restore it"
        )
    assert clusters is not None and history is not None and depth is not None  # noqa: PT018
    reached = int(depth)
    if not 0 <= reached < max(len(history), 1):
        raise KinsightError(f"{checkpoint} is damaged (its division is {reached} deep); restore it")
    return DivisionState(clusters.numpy(), history.numpy(), reached)
