"""The pictures of an index as JPEG, read by number alone: no name from outside ever becomes a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.pictures.decoding import UnreadablePicture, open_picture
from kinsight.retrieval.opening import open_store
from kinsight.server.names import without_paths
from kinsight.server.refusals import Missing
from kinsight.server.remembered import Remembered
from kinsight.server.uploads import jpeg

SIDES = {"thumbnail": 420, "picture": 1600}
_KEPT = 64 * 2**20  # bytes of JPEGs


class Gallery:
    """The pictures of an index.

    Args:
        path: the file; opened in the thread in which everything here is called.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = open_store(path)
        self._jpegs: Remembered[bytes] = Remembered(_KEPT)

    def picture(self, number: int, kind: str) -> bytes:
        """A picture, cut to its box where the index has it so.

        Raises:
            Missing: the index has no such picture.
            KinsightError: its file cannot be read.
        """
        kept = self._jpegs.get((number, kind))
        if kept is not None:
            return kept
        found = self.store.pictures([number])
        if number not in found:
            raise Missing("the index has no such picture (any more); search again")
        listed = found[number].listed
        try:
            made = jpeg(open_picture(listed.path, shorter_side=SIDES[kind], box=listed.box), SIDES[kind])
        except UnreadablePicture as problem:
            raise KinsightError(without_paths(f"its picture {problem.reason}", listed.path)) from None
        self._jpegs.keep((number, kind), made, len(made))
        return made

    def about(self, examples: int) -> dict[str, Any]:
        """How many pictures there are, their columns, and some of them to begin with."""
        self.store.refresh()
        numbers = self.store.numbers()
        at = np.linspace(0, max(len(numbers) - 1, 0), min(examples, len(numbers))).round().astype(int)
        return {
            "pictures": len(numbers),
            "columns": list(self.store.about.columns),
            "examples": [int(numbers[each]) for each in at],
        }
