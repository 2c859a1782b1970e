"""What an index is bound to, and how it keeps vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.reading import parse_json

TYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
MOST_DIMENSIONS = 1 << 16


@dataclass
class About:
    """What an index is bound to, and how it keeps vectors.

    Attributes:
        dim: D.
        dtype: float16 or float32.
        model: digest, path and preprocessing of the model whose embeddings it holds.
        crop_to_box: whether pictures were cut to their boxes.
        complete: whether the pictures that it was begun with are all in it.
        places: how the places of pictures are kept, where they are: stage, how many stages below the model's last map.
        columns: names of the user's columns, in the order in which they came.
        changes: how often pictures were added or removed.
        lists: by what it knows the lists for approximate search beside its file as its own; empty: there are none.
    """

    dim: int
    dtype: str = "float16"
    model: dict[str, Any] = field(default_factory=dict)
    crop_to_box: bool = False
    complete: bool = False
    places: dict[str, Any] | None = None
    columns: list[str] = field(default_factory=list)
    changes: int = 0
    lists: str = ""


_LATER = {"lists"}  # what files of this version may lack
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "dim": int, "dtype": str, "model": dict, "crop_to_box": bool, "complete": bool, "places": (dict, type(None)), "columns": list,
    "changes": int, "lists": str,
}  # fmt: skip


def about_of(rows: Mapping[str, str], name: str) -> About:
    """The facts of an index from its table `about`.

    Raises:
        KinsightError: one is missing, or is nothing that an index says.
    """
    facts = {}
    for fact, kind in _KINDS.items():
        if fact in _LATER and fact not in rows:
            continue
        try:
            facts[fact] = parse_json(str(rows[fact]))
        except (KeyError, ValueError):
            raise KinsightError(
                f"{name} does not say its {fact}; restore it, or build it anew with kinsight index"
            ) from None
        if not isinstance(facts[fact], kind) or (isinstance(facts[fact], bool) and kind is int):
            raise KinsightError(
                f"{name} says {str(facts[fact])[:40]!r} of its {fact}; restore it, or build it anew with kinsight index"
            )
    about = About(**facts)
    if (
        not 1 <= about.dim <= MOST_DIMENSIONS
        or about.dtype not in TYPES
        or not all(isinstance(each, str) for each in about.columns)
    ):
        raise KinsightError(
            f"{name} is damaged (vectors of {about.dim} x {about.dtype}); restore it, or build it anew with kinsight index"
        )
    if about.places is not None:
        stage = about.places.get("stage")
        if isinstance(stage, bool) or not isinstance(stage, int) or not 0 <= stage < 32:
            raise KinsightError(f"{name} is damaged (its places); restore it, or build it anew with kinsight index")
    return about


def fitting(vector: np.ndarray, id_: str, about: About, name: str) -> np.ndarray:
    """An embedding (D,) of length 1, if it fits into an index. float64

    Args:
        id_: of the picture.
        name: of the index.

    Raises:
        KinsightError: it has another length, or no direction.
    """
    vector = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(vector))
    if vector.shape != (about.dim,):
        raise KinsightError(
            f"the embedding of {id_} has the shape {vector.shape} and {name} holds {about.dim} numbers each; "
            "embed it with the model of the index"
        )
    if not (np.isfinite(length) and length > 0):
        raise KinsightError(f"the embedding of {id_} is zero or not finite; look whether the model has collapsed")
    return vector / length
