"""What a training of two streams is fed with: each picture in the stream of its view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from kinsight.data import Batch, require_pairs, view_numbers
from kinsight.errors import KinsightError
from kinsight.models import InStreams, Model, TwoStreams
from kinsight.pictures import load
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings
from kinsight.training.inputs import Inputs, TrainingBatch, training_pictures
from kinsight.training.replica import Input, laid_out
from kinsight.training.standing_trunk import Standing, StandingTrunk


class StreamInputs(Inputs):
    """As `Inputs`, of a model of two streams.

    Raises:
        KinsightError: a picture is of no view that the model has, or a training or validation pair lacks a view.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        embedder: TwoStreams,
        table: pd.DataFrame,
        rows: np.ndarray,
        epoch: Callable[[], int],
    ) -> None:
        self.settings, self.table, self.rows, self._epoch = settings, table, rows, epoch
        self.embedder, self.names, self.fed = embedder, embedder.names, embedder.preprocessing
        for split in ("train", "validation"):
            require_pairs(table, embedder.names, split)
        self.views = view_numbers(table, embedder.names, rows)  # (R,)
        self.presets = presets = _presets(settings, embedder)
        # Each knows all rows, so that draws count alike in both; only those of its view are ever asked of it.
        self.sets = [
            training_pictures(settings.data, presets[name], self.fed[name], table, rows) for name in self.names
        ]

    def _standing(self, run: RunFolder, options: dict[str, Any]) -> Standing:
        return {
            name: StandingTrunk(
                self._settings_of(name),
                run,
                stream,
                self.table,
                self.rows[self.views == number],
                stream=name,
                **options,
            )
            for number, (name, stream) in enumerate(self.embedder.streams.items())
        }

    def _settings_of(self, name: str) -> TrainingSettings:
        """The settings as they are for the pictures of one stream."""
        preset = self.presets[name]
        copies = self.settings.features.copies if preset != "none" else 0  # of what nothing augments one is all
        return replace(
            self.settings,
            data=replace(self.settings.data, augmentation=preset),
            features=replace(self.settings.features, copies=copies),
        )

    def _augmented(self) -> bool:
        return any(preset != "none" for preset in self.presets.values())

    def _from_pictures(self, batches: list[Batch]) -> Iterator[TrainingBatch]:
        data, pin = self.settings.data, self.embedder.device.type == "cuda"
        streams = []
        for number, pictures in enumerate(self.sets):
            draws = [[draw for draw in batch.draws if self.views[draw.index] == number] for batch in batches]
            streams.append(load(pictures, draws, workers=data.workers, on_unreadable=data.on_unreadable, pin=pin))
        for batch, *loaded in zip(batches, *streams, strict=True):
            readable = set(torch.cat([each.indices for each in loaded]).tolist())
            indices = [draw.index for draw in batch.draws if draw.index in readable]
            images = [self._images(number, each.images) for number, each in enumerate(loaded)]
            stream = torch.from_numpy(self.views[indices]).to(self.embedder.device)
            given = InStreams(tuple(images), stream)
            yield TrainingBatch(Input(given), torch.tensor(indices, dtype=torch.int64), batch.subset)

    def _from_features(self, batches: list[Batch]) -> Iterator[TrainingBatch]:
        assert isinstance(self.trunk, dict)
        features = [trunk.in_training for trunk in self.trunk.values()]
        for batch in batches:
            drawn = np.array(batch.draws, dtype=np.int64).reshape(-1, 2)  # index, seed
            views = self.views[drawn[:, 0]]
            values, known = [], []
            for number, each in enumerate(features):
                mine = np.flatnonzero(views == number)
                found, readable = each.of(self.rows[drawn[mine, 0]], drawn[mine, 1])
                values.append(laid_out(found, self.embedder.device, channels_last=self.settings.channels_last))
                known.append(mine[readable])
            order = np.sort(np.concatenate(known))
            stream = torch.from_numpy(views[order]).to(self.embedder.device)
            given = Input(InStreams(tuple(values), stream), " and ".join(each.reads for each in features))
            yield TrainingBatch(given, torch.from_numpy(drawn[order, 0]), batch.subset)

    def _images(self, number: int, images: torch.Tensor) -> torch.Tensor:
        if not len(images):  # none of the view could be read here; other processes may have some
            images = images.new_zeros(0, 3, *self.fed[self.names[number]].height_width)
        return laid_out(images, self.embedder.device, channels_last=self.settings.channels_last)


def make_inputs(
    settings: TrainingSettings, embedder: Model, table: pd.DataFrame, rows: np.ndarray, epoch: Callable[[], int]
) -> Inputs:
    """The inputs of a training, as its model takes them.

    Raises:
        KinsightError: see `StreamInputs`.
    """
    kind: Any = StreamInputs if isinstance(embedder, TwoStreams) else Inputs
    made: Inputs = kind(settings, embedder, table, rows, epoch)
    return made


def _presets(settings: TrainingSettings, embedder: TwoStreams) -> dict[str, str]:
    """The augmentation of every stream.

    Raises:
        KinsightError: the settings name a stream that there is not.
    """
    own = settings.data.stream_augmentation or {}
    for name in own:
        if name not in embedder.names:
            raise KinsightError(
                f"data.stream_augmentation names the stream {name!r}; the model has {' and '.join(embedder.names)}"
            )
    return {name: own.get(name, settings.data.augmentation) for name in embedder.names}
