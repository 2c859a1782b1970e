"""What the loop and the methods see of the data: pictures, or features of a trunk that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kinsight import processes
from kinsight.data import Batch, share
from kinsight.models import Embedder
from kinsight.pictures import PictureSet, Preprocessing, augmentation, load
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import DataSettings, TrainingSettings
from kinsight.training.encoding import EncodedRows, encode_training
from kinsight.training.replica import Input, laid_out
from kinsight.training.standing_trunk import Standing, StandingTrunk, epochs_from_features
from kinsight.training.tables import boxes_of


def training_pictures(
    data: DataSettings, preset: str, preprocessing: Preprocessing, table: pd.DataFrame, rows: np.ndarray
) -> PictureSet:
    """The training pictures, `rows` of the table, in the augmentation of a preset."""
    transform = augmentation(preset, preprocessing)
    return PictureSet(
        table["path"].iloc[rows].tolist(),
        transform,
        boxes=boxes_of(table, rows) if data.crop_to_box else None,
        shorter_side=transform.shorter_side,
    )


@dataclass
class TrainingBatch:
    """This process's share of a batch: what the model is fed with, of which training pictures (B,), and the batch's subset."""

    given: Input
    indices: Tensor
    subset: int

    def __len__(self) -> int:
        return len(self.indices)


class Inputs:
    """The training pictures, `rows` of the table.

    Args:
        epoch: says in which epoch the training is, at its end in which one it will be.

    Attributes:
        epochs_from_features: so many at the beginning in which features are read instead of pictures.
        trunk: the trunk, where its features are read for a while.
    """

    embedder: Any  # an Embedder here, TwoStreams in `StreamInputs`
    trunk: Standing | None = None
    epochs_from_features = 0

    def __init__(
        self,
        settings: TrainingSettings,
        embedder: Embedder,
        table: pd.DataFrame,
        rows: np.ndarray,
        epoch: Callable[[], int],
    ) -> None:
        self.settings, self.embedder, self.table, self.rows, self._epoch = settings, embedder, table, rows, epoch
        self.pictures = training_pictures(
            settings.data, settings.data.augmentation, embedder.preprocessing, table, rows
        )

    def keep_features(self, run: RunFolder, still: int, precision: str, *, progress: bool) -> None:
        """Read features where the settings ask for it, of a trunk that stands still for so many epochs at the beginning.

        Raises:
            KinsightError: they ask for what makes no sense.
        """
        self.epochs_from_features = epochs_from_features(self.settings, still, augmented=self._augmented())
        if self.epochs_from_features:
            options = {"epochs": self.epochs_from_features, "precision": precision, "progress": progress}
            self.trunk = self._standing(run, options)

    def _augmented(self) -> bool:
        return self.settings.data.augmentation != "none"

    def _standing(self, run: RunFolder, options: dict[str, Any]) -> Standing:
        return StandingTrunk(self.settings, run, self.embedder, self.table, self.rows, **options)

    @property
    def standing(self) -> Standing | None:
        """The trunk, as long as its features are as they were at the beginning: until after the last epoch in which they are read."""
        return self.trunk if self._epoch() <= self.epochs_from_features else None

    def embed(self, some: np.ndarray | None = None, *, pooled: bool = False) -> EncodedRows:
        """See `encode_training`."""
        settings = self.settings.data
        return encode_training(
            self.embedder, self.table, self.rows, settings, some, pooled=pooled, standing=self.standing
        )

    def batches(self, batches: list[Batch]) -> Iterator[TrainingBatch]:
        """This process's share of each of these batches of the epoch that is now."""
        mine = [Batch(share(batch, processes.rank(), processes.count()), batch.subset) for batch in batches]
        return self._from_features(mine) if self._epoch() < self.epochs_from_features else self._from_pictures(mine)

    def _from_pictures(self, batches: list[Batch]) -> Iterator[TrainingBatch]:
        data, pin = self.settings.data, self.embedder.device.type == "cuda"
        draws = [batch.draws for batch in batches]
        loaded = load(self.pictures, draws, workers=data.workers, on_unreadable=data.on_unreadable, pin=pin)
        for batch, pictures in zip(batches, loaded, strict=True):
            images = pictures.images
            if not len(pictures):  # none of its pictures could be read; other processes may have some
                images = images.new_zeros(0, 3, *self.embedder.preprocessing.height_width)
            yield TrainingBatch(self._given(images), pictures.indices, batch.subset)

    def _from_features(self, batches: list[Batch]) -> Iterator[TrainingBatch]:
        assert isinstance(self.trunk, StandingTrunk)
        features = self.trunk.in_training
        for batch in batches:
            drawn = np.array(batch.draws, dtype=np.int64).reshape(-1, 2)  # index, seed
            values, known = features.of(self.rows[drawn[:, 0]], drawn[:, 1])
            yield TrainingBatch(self._given(values, features.reads), torch.from_numpy(drawn[known, 0]), batch.subset)

    def _given(self, values: Tensor, reads: str = "") -> Input:
        return Input(laid_out(values, self.embedder.device, channels_last=self.settings.channels_last), reads)
