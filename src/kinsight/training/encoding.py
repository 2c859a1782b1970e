"""Embedding the rows of a table, shared by all processes, every picture exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from kinsight import processes
from kinsight.data import view_numbers
from kinsight.models import Embedder, Embedding, Encoded, LinearHead, Model, TwoStreams
from kinsight.models.encoding import encode_batches
from kinsight.pictures import PictureBatch, PictureSet
from kinsight.settings.training import DataSettings
from kinsight.training.replica import share_buffers
from kinsight.training.standing_trunk import Features, Standing, StandingTrunk
from kinsight.training.tables import boxes_of


@dataclass
class EncodedRows:
    """Embeddings of table rows: `vectors (R, D)` float32 of the `rows (R,)` that could be read, and how many could not."""

    vectors: np.ndarray
    rows: np.ndarray
    unreadable: int


def encode_training(
    embedder: Embedder,
    table: pd.DataFrame,
    rows: np.ndarray,
    data: DataSettings,
    some: np.ndarray | None = None,
    *,
    pooled: bool = False,
    standing: Standing | None = None,
) -> EncodedRows:
    """Embed the training pictures, the given rows of the table, with the transforms of test time; `rows` of the answer count these.

    Args:
        some: which of them (R,), in rising order; None: all.
        pooled: give the trunk's maps, averaged over their places, instead of the embedding.
        standing: the trunk, where it stands still and its features are kept.

    Raises:
        KinsightError: a picture cannot be read and `data.on_unreadable` is `refuse`.
    """
    share_buffers(embedder)  # every process embeds with the statistics of the main one
    model = _with_pooled_trunk(embedder) if pooled else embedder
    # Without gradients there is room for more pictures at a time.
    batch_size = 256 if embedder.device.type == "cuda" else 64
    wanted = rows if some is None else rows[some]
    found = encode_rows(model, table, wanted, data, batch_size=batch_size, standing=standing)
    return replace(found, rows=np.searchsorted(rows, found.rows))


def _with_pooled_trunk(embedder: Embedder) -> Embedder:
    head = LinearHead(embedder.trunk.channels, embedder.trunk.map_size, dim=None)
    return Embedder(embedder.trunk, head, embedder.preprocessing, embedder.settings)


def encode_rows(
    embedder: Model,
    table: pd.DataFrame,
    rows: np.ndarray,
    data: DataSettings,
    *,
    batch_size: int = 64,
    progress: bool = False,
    normalize: bool | None = None,
    standing: Standing | None = None,
) -> EncodedRows:
    """Embed the given rows of a table; with several processes each does its share and all get the whole.

    Each row goes through the stream of its view where the model has two.

    Args:
        normalize: whether rows get length 1; None follows the model's own setting.
        standing: the model's trunk, or that of each stream, where its features of these rows are kept; they are read instead of pictures.

    Raises:
        KinsightError: a picture cannot be read and `data.on_unreadable` is `refuse`.
    """
    if isinstance(embedder, TwoStreams):
        assert not isinstance(standing, StandingTrunk)
        options = {"batch_size": batch_size, "progress": progress, "normalize": normalize}
        return _by_stream(embedder, table, rows, data, standing, options)
    mine = rows[processes.rank() :: processes.count()]
    if standing is not None:
        assert isinstance(standing, StandingTrunk)
        encoded = _encoded_features(embedder, standing.at_test_time(embedder.reads), mine, batch_size, normalize)
        return _of_all(encoded, mine, len(rows))
    pictures = PictureSet(
        table["path"].to_numpy()[mine],
        embedder.preprocessing.transform(),
        boxes=boxes_of(table, mine) if data.crop_to_box else None,
        shorter_side=embedder.preprocessing.shorter_side,
    )
    encoded = embedder.encode_set(
        pictures,
        batch_size=batch_size,
        workers=data.workers,
        on_unreadable=data.on_unreadable,
        progress=progress,
        normalize=normalize,
    )
    return _of_all(encoded, mine, len(rows))


def _by_stream(
    model: TwoStreams,
    table: pd.DataFrame,
    rows: np.ndarray,
    data: DataSettings,
    standing: Mapping[str, StandingTrunk] | None,
    options: Mapping[str, Any],
) -> EncodedRows:
    numbers = view_numbers(table, model.names, rows)
    found = [
        encode_rows(
            stream, table, rows[numbers == number], data, standing=standing[name] if standing else None, **options
        )
        for number, (name, stream) in enumerate(model.streams.items())
    ]
    known = np.concatenate([each.rows for each in found])
    order = np.argsort(known, kind="stable")
    vectors = np.concatenate([each.vectors for each in found])
    return EncodedRows(vectors[order], known[order], sum(each.unreadable for each in found))


def _of_all(encoded: Encoded, mine: np.ndarray, count: int) -> EncodedRows:
    """What every process embedded of its share of so many rows."""
    vectors, known = encoded.vectors, mine[encoded.indices]
    shares, _ = processes.gather(*(torch.from_numpy(share).to(processes.device()) for share in (vectors, known)))
    vectors, known = (share.cpu().numpy() for share in shares)
    order = np.argsort(known, kind="stable")
    return EncodedRows(vectors[order], known[order], count - len(known))


def _encoded_features(
    embedder: Embedder, features: Features, rows: np.ndarray, batch_size: int, normalize: bool | None
) -> Encoded:
    def batches() -> Iterator[PictureBatch]:
        for start in range(0, len(rows), batch_size):
            values, known = features.of(rows[start : start + batch_size])
            yield PictureBatch(values, torch.from_numpy(known + start), [])

    return encode_batches(
        _FromFeatures(embedder, features.reads),
        batches(),
        count=len(rows),
        dim=embedder.dim,
        device=embedder.device,
        normalize=embedder.settings.normalize if normalize is None else normalize,
    )


class _FromFeatures(nn.Module):
    """An embedder without its trunk."""

    def __init__(self, embedder: Embedder, reads: str) -> None:
        super().__init__()
        self.embedder, self.reads = embedder, reads

    def forward(self, features: Tensor) -> Embedding:
        """Features of B pictures -> their embeddings."""
        return self.embedder.embed_features(features, self.reads)
