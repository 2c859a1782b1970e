"""Embedding the rows of a table, shared by all processes, every picture exactly once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from kinsight import processes
from kinsight.models import Embedder, LinearHead
from kinsight.pictures import PictureSet
from kinsight.settings.training import DataSettings
from kinsight.training.replica import share_buffers
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
) -> EncodedRows:
    """Embed the training pictures, the given rows of the table, with the transforms of test time; `rows` of the answer count these.

    Args:
        some: which of them (R,), in rising order; None: all.
        pooled: give the trunk's maps, averaged over their places, instead of the embedding.

    Raises:
        KinsightError: a picture cannot be read and `data.on_unreadable` is `refuse`.
    """
    share_buffers(embedder)  # every process embeds with the statistics of the main one
    model = _with_pooled_trunk(embedder) if pooled else embedder
    # Without gradients there is room for more pictures at a time.
    batch_size = 256 if embedder.device.type == "cuda" else 64
    found = encode_rows(model, table, rows if some is None else rows[some], data, batch_size=batch_size)
    return replace(found, rows=np.searchsorted(rows, found.rows))


def _with_pooled_trunk(embedder: Embedder) -> Embedder:
    head = LinearHead(embedder.trunk.channels, embedder.trunk.map_size, dim=None)
    return Embedder(embedder.trunk, head, embedder.preprocessing, embedder.settings)


def encode_rows(
    embedder: Embedder,
    table: pd.DataFrame,
    rows: np.ndarray,
    data: DataSettings,
    *,
    batch_size: int = 64,
    progress: bool = False,
    normalize: bool | None = None,
) -> EncodedRows:
    """Embed the given rows of a table; with several processes each does its share and all get the whole.

    `normalize`: whether rows get length 1; None follows the model's own setting.

    Raises:
        KinsightError: a picture cannot be read and `data.on_unreadable` is `refuse`.
    """
    mine = rows[processes.rank() :: processes.count()]
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
    vectors, known = encoded.vectors, mine[encoded.indices]
    shares, _ = processes.gather(*(torch.from_numpy(share).to(processes.device()) for share in (vectors, known)))
    vectors, known = (share.cpu().numpy() for share in shares)
    order = np.argsort(known, kind="stable")
    return EncodedRows(vectors[order], known[order], len(rows) - len(known))
