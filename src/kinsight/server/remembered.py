"""What was worked out last, kept within bounds of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from kinsight.explanation import Explainer, View
from kinsight.explanation.explainer import Picture
from kinsight.pictures.archive import changed_at
from kinsight.pictures.decoding import Box

T = TypeVar("T")
VIEWS = 256 * 2**20  # bytes


class Remembered(Generic[T]):
    """Values by key; what was not asked for longest goes when there is no room.

    Args:
        most: bytes that all values may have together; one that is larger alone is not kept.
    """

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """The value of a key, if it is still there."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, value: T, size: int) -> None:
        """Keep a value of so many bytes."""
        if key in self._kept:
            self.size -= self._kept.pop(key)[1]
        self._kept[key] = (value, size)
        self.size += size
        while self.size > self.most:
            self.size -= self._kept.popitem(last=False)[1][1]


class RememberingExplainer(Explainer):
    """An Explainer that keeps the views of the files it explained last: hits stay the same when a region moves a little."""

    @classmethod
    def of(cls, explainer: Explainer) -> RememberingExplainer:
        """One that explains as another does."""
        made = cls.__new__(cls)
        vars(made).update(vars(explainer))
        return made

    def views(
        self,
        pictures: Sequence[Picture],
        *,
        boxes: Sequence[Box | None] | None = None,
        batch_size: int = 16,
        activations: bool = False,
    ) -> list[View]:
        """As `Explainer.views`."""
        if activations or not all(isinstance(picture, (str, Path)) for picture in pictures):
            return super().views(pictures, boxes=boxes, batch_size=batch_size, activations=activations)
        cut = list(boxes) if boxes else [None] * len(pictures)
        keys = [(str(picture), box, changed_at(str(picture))) for picture, box in zip(pictures, cut, strict=True)]
        found = {key: view for key in keys if (view := self._known.get(key)) is not None}
        missing = [at for at, key in enumerate(keys) if key not in found]
        fresh = super().views(
            [pictures[at] for at in missing], boxes=[cut[at] for at in missing], batch_size=batch_size
        )
        for at, view in zip(missing, fresh, strict=True):
            found[keys[at]] = view
            self._known.keep(keys[at], view, view_bytes(view))
        return [found[key] for key in keys]

    @property
    def _known(self) -> Remembered[View]:
        if not hasattr(self, "_kept"):
            self._kept: Remembered[View] = Remembered(VIEWS)
        return self._kept


def view_bytes(view: View) -> int:
    """The memory of a view's arrays."""
    values = (getattr(view, field.name) for field in fields(view))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))
