"""What puts pictures into the space of an index: a model, and where asked for what its places say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from kinsight.explanation import Explainer
from kinsight.models import Embedder
from kinsight.models.encoding import encode_batches
from kinsight.pictures import PictureBatch, PictureSet, load
from kinsight.retrieval.entries import Entry, Listed, PackedPlaces
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.foreign import ForeignModel
from kinsight.retrieval.places import DIRECTIONS, fit_directions, pack_places


class Embeds:
    """Embeds pictures with a model, batch by batch.

    Args:
        embedder: the model.
        explainer: of the same model, where the index keeps places.
        directions: in which it keeps them (D, d), where it knows already.
        keep: called with the directions as soon as they are known: those of the first batch.
        count: d, how many there shall be.
    """

    def __init__(
        self,
        embedder: Embedder | ForeignModel,
        explainer: Explainer | None = None,
        *,
        directions: np.ndarray | None = None,
        keep: Callable[[np.ndarray], None] | None = None,
        count: int = DIRECTIONS,
    ) -> None:
        self.embedder, self.explainer = embedder, explainer
        self._directions, self._keep, self._count = directions, keep, count

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
        if not len(batch):
            return []
        pictures = [due[row] for row in batch.indices.tolist()]
        if self.explainer is not None:
            vectors, packed = self._with_places(self.explainer, batch)
            found = zip(pictures, vectors, packed, strict=True)
            return [Entry(listed, state, vector, places) for (listed, state), vector, places in found]
        encoded = encode_batches(
            self.embedder,
            [batch],
            count=len(batch),
            dim=self.embedder.dim,
            device=self.embedder.device,
            normalize=True,
        )
        return [Entry(listed, state, vector) for (listed, state), vector in zip(pictures, encoded.vectors, strict=True)]

    def _with_places(self, explainer: Explainer, batch: PictureBatch) -> tuple[np.ndarray, list[PackedPlaces]]:
        with torch.no_grad():
            found = explainer.contributions(explainer.opening(batch.images.to(self.embedder.device)))
            places = found.places + (found.bias / (found.places.shape[1] * found.places.shape[2]))[:, None, None]
        values, vectors = places.cpu().numpy(), found.whole.float().cpu().numpy()  # (B, h, w, D), (B, D)
        if self._directions is None:
            self._directions = fit_directions(values, self._count)
            if self._keep is not None:
                self._keep(self._directions)
        return vectors, [pack_places(one, self._directions) for one in values]
