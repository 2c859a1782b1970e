"""What the options of a division may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinsight.errors import KinsightError
from kinsight.models.subspaces import CONQUERS
from kinsight.training.methods.division.batches import ORDERS
from kinsight.training.methods.division.masks import KINDS, STARTS
from kinsight.training.methods.division.matching import MATCHINGS

_WORDS = {
    "masks": KINDS,
    "clusters": ("embedding", "trunk", "random", "category"),
    "features": ("fresh", "running"),
    "order": ORDERS,
    "conquer": CONQUERS,
    "mask_start": STARTS,
    "matching": MATCHINGS,
}
_SMALLEST = {
    "subspaces": 1,
    "every": 1,
    "fine_tune": 0,
    "orthogonality": 0,
    "mask_lr": 0,
    "mask_decay": 0,
    "freeze": 0,
    "tries": 1,
    "iterations": 1,
}


def check_options(given: Mapping[str, Any], *, width: int) -> None:
    """Refuse what no division can be made of.

    Args:
        given: the options by name, and `categories`.
        width: numbers of the embedding, or of each of its groups.

    Raises:
        KinsightError: an option has a value that is not allowed, or two do not go together.
    """
    for name, words in _WORDS.items():
        if given[name] not in words:
            raise KinsightError(
                f"method division, option {name}: {given[name]!r} is not known; write {', '.join(words)}"
            )
    for name, smallest in _SMALLEST.items():
        if given[name] is not None and not smallest <= given[name] < float("inf"):
            raise KinsightError(
                f"method division, option {name}: {given[name]!r} is not allowed; write {smallest} or more"
            )
    count = given["subspaces"]
    if given["progressive"] and count & (count - 1):
        raise KinsightError(
            f"method division halves its clusters, so that {count} subspaces cannot come out; write a power of two, or progressive: false"
        )
    if given["masks"] == "fix" and count > width:
        raise KinsightError(
            f"{count} subspaces that share nothing do not fit into {width} numbers; write fewer subspaces, masks: learn, or a longer dim"
        )
    if given["clusters"] == "category" and given["categories"] is None:
        raise KinsightError(
            "method division, clusters: category needs the column 'category' in the table, with a value for every training picture; "
            "add it, or write clusters: embedding"
        )
    if given["features"] == "running" and given["clusters"] != "embedding":
        raise KinsightError(
            f"running features are embeddings, so that clusters: {given['clusters']} has none; write features: fresh"
        )
