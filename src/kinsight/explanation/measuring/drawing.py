"""How a map is drawn out to pixels before a box is taken from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres


@dataclass(frozen=True)
class Drawing:
    """A way to draw.

    Attributes:
        even: places stand in the middle of even cells, and not where they look.
        clipped_before: negative values become 0 before the map is drawn out, and not after it.
    """

    even: bool = False
    clipped_before: bool = False

    def centres(self, known: Centres | None, size: tuple[int, int], grid: tuple[int, int]) -> Centres:
        """Where the places of a grid (h, w) are drawn in a picture (H, W)."""
        return Centres.even(size, grid) if self.even or known is None else known

    def positive(self, values: np.ndarray, centres: Centres) -> np.ndarray:
        """(h, w) -> (H, W), the part above 0."""
        return np.maximum(centres.upsample(np.maximum(values, 0) if self.clipped_before else values), 0)


CENTRED = "centred"
# The paper's authors draw even and clipped, but what a place sees is not always the middle of its cell.
DRAWINGS = {
    CENTRED: Drawing(),
    "even": Drawing(even=True),
    "clipped": Drawing(clipped_before=True),
    "even-clipped": Drawing(even=True, clipped_before=True),
}


def drawing_of(name: str) -> Drawing:
    """A way to draw by its name.

    Raises:
        KinsightError: it is not known.
    """
    if name not in DRAWINGS:
        raise KinsightError(f"drawing {name!r} is not known; write one of {', '.join(DRAWINGS)}")
    return DRAWINGS[name]
