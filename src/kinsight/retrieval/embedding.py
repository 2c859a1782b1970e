"""What puts pictures into the space of an index: a model, and where asked for what its places say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from kinsight.models import Embedder
from kinsight.models.encoding import encode_batches
from kinsight.pictures import PictureBatch, PictureSet, load
from kinsight.retrieval.entries import Entry, Listed
from kinsight.retrieval.file_state import FileState


class Embeds:
    """Embeds pictures with a model, batch by batch.

    Args:
        embedder: the model.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def batches(
        self,
        due: Sequence[tuple[Listed, FileState]],
        *,
        batch_size: int,
        workers: int,
        on_unreadable: Literal["refuse", "skip"],
    ) -> Iterator[tuple[list[Entry], list[str]]]:
        """Entries of pictures, batch by batch, and the paths of those that cannot be read.

        Raises:
            KinsightError: a picture cannot be read and shall not be skipped, or an embedding is not finite.
        """
        if not due:
            return
        boxes = None
        if any(listed.box for listed, _ in due):
            boxes = np.array([listed.box or [np.nan] * 4 for listed, _ in due], np.float64)
        prepared = PictureSet(
            [listed.path for listed, _ in due],
            self.embedder.preprocessing.transform(),
            boxes=boxes,
            shorter_side=self.embedder.preprocessing.shorter_side,
        )
        workers = workers if len(due) > batch_size else 0  # a process costs more than a few pictures
        for batch in load(prepared, batch_size=batch_size, workers=workers, on_unreadable=on_unreadable):
            yield self._entries(batch, due), [path for path, _ in batch.unreadable]

    def _entries(self, batch: PictureBatch, due: Sequence[tuple[Listed, FileState]]) -> list[Entry]:
        encoded = encode_batches(
            self.embedder,
            [batch],
            count=len(batch),
            dim=self.embedder.dim,
            device=self.embedder.device,
            normalize=True,
        )
        pictures = [due[row] for row in batch.indices.tolist()]
        return [Entry(listed, state, vector) for (listed, state), vector in zip(pictures, encoded.vectors, strict=True)]
