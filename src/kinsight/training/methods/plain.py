"""The plain method: nothing changes between epochs."""

from __future__ import annotations

import numpy as np

from kinsight.data import BatchSampler, MPerClassBatches, UniformBatches
from kinsight.settings.training import BatchSettings
from kinsight.training.methods.method import Method


class PlainMethod(Method):
    """All training pictures, all the time."""

    def __init__(self, labels: np.ndarray, batches: BatchSettings, seed: int) -> None:
        super().__init__()
        self._sampler = usual_sampler(labels, batches, seed)

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
