"""What an index holds of one picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kinsight.errors import KinsightError
from kinsight.files import is_unicode
from kinsight.retrieval.file_state import FileState

Cell = int | float | str | None
PictureBox = tuple[int, int, int, int]


class PackedPlaces(NamedTuple):
    """The places of one picture, compressed: value = code x scale of its place.

    Attributes:
        codes: int8 (h, w, d).
        scales: float32 (h, w).
    """

    codes: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class Listed:
    """A picture as an index lists it.

    Attributes:
        id: the name under which it is added, updated and removed.
        path: where it lies.
        box: the part of it that is meant, in pixels of the upright picture, half open.
        columns: what else is known of it, by name.
    """

    id: str
    path: str
    box: PictureBox | None = None
    columns: Mapping[str, Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in (self.id, self.path):
            if not is_unicode(text) or "\0" in text:
                raise KinsightError(f"{text!r} is not UTF-8 without NUL; rename the file or correct the name")


@dataclass(frozen=True, eq=False)
class Entry:
    """A picture with its embedding, to be added.

    Attributes:
        listed: what it is.
        state: of its file.
        vector: (D,), of any length but 0; the index searches by cosine.
        places: what its places say, where the index keeps that.
    """

    listed: Listed
    state: FileState
    vector: np.ndarray
    places: PackedPlaces | None = None


def require_unlike(entries: Sequence[Entry]) -> None:
    """Refuse entries of which two have one id.

    Raises:
        KinsightError: so it is.
    """
    ids = [entry.listed.id for entry in entries]
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise KinsightError(f"the id {twice!r} was given twice; give every picture an id of its own")


def cell(value: Any) -> Cell:
    """A value of a table as an index keeps it: a whole number, a number, a text, or nothing."""
    if isinstance(value, np.generic):
        value = value.item()
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    if isinstance(value, (int, float)):
        return value
    return str(value).encode("utf-8", "replace").decode()


def box_text(box: PictureBox | None) -> str | None:
    """A box as an index keeps it."""
    return None if box is None else json.dumps([int(side) for side in box])


def box_of(text: object) -> PictureBox | None:
    """From `box_text`; what a stranger wrote there instead is no box."""
    if text is None:
        return None
    try:
        left, top, right, bottom = json.loads(str(text))
        return int(left), int(top), int(right), int(bottom)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise KinsightError(
            f"an index holds {str(text)[:60]!r} where a box belongs; build it anew with kinsight index"
        ) from None
