"""What is asked for the nearest pictures: all vectors exactly, or what answers sooner."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import numpy as np

from kinsight.retrieval.store import Known


class Ranked(NamedTuple):
    """Pictures, best first.

    Attributes:
        numbers: (k,) int64, of the pictures.
        scores: (k,) float32, their cosines with the query.
    """

    numbers: np.ndarray
    scores: np.ndarray


class Searched(Protocol):
    """The pictures of an index as a search sees them.

    Attributes:
        name: of the index.
        exact: whether every picture is compared.
    """

    name: str
    exact: bool

    def __len__(self) -> int:
        """How many pictures there are."""

    def refresh(self) -> None:
        """Take up what was added and removed since."""

    def find(self, query: np.ndarray, k: int, where: str | None = None) -> Ranked:
        """The k pictures that are nearest to a query (D,) by cosine, among those that meet a condition."""

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
