"""The plain method: nothing changes between epochs."""

from __future__ import annotations

import numpy as np

from kinsight.data import BatchSampler, MPerClassBatches, PairBatches, UniformBatches
from kinsight.errors import KinsightError
from kinsight.settings.training import BatchSettings
from kinsight.training.methods.method import Method


class PlainMethod(Method):
    """All training pictures, all the time."""

    pairs = True

    def __init__(self, labels: np.ndarray, views: np.ndarray | None, batches: BatchSettings, seed: int) -> None:
        super().__init__()
        self._sampler = (
            usual_sampler(labels, batches, seed) if views is None else pair_sampler(labels, views, batches, seed)
        )

    def sampler(self) -> BatchSampler:
        """See `Method.sampler`."""
        return self._sampler


def usual_sampler(labels: np.ndarray, batches: BatchSettings, seed: int, *, length: int | None = None) -> BatchSampler:
    """The batch sampler that the settings ask for, over pictures with these labels (N,), with `length` batches where it is given."""
    if batches.per_class is None:
        return UniformBatches(len(labels), batches.size, seed=seed, length=length)
    return MPerClassBatches(
        labels, batches.size, batches.per_class, seed=seed, balanced=batches.balanced, length=length
    )


def pair_sampler(labels: np.ndarray, views: np.ndarray, batches: BatchSettings, seed: int) -> BatchSampler:
    """Batches of pairs, of pictures with these labels and views (N,).

    Raises:
        KinsightError: the settings ask for another kind of batches.
    """
    if batches.per_class is not None or batches.balanced:
        raise KinsightError(
            "batches of two streams hold pairs, one picture of each view; leave out batches.per_class and batches.balanced"
        )
    return PairBatches(labels, views, batches.size, seed=seed)
