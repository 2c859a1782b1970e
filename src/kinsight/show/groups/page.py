"""The page of a head's groups: what each looks at and finds alone, how alike they are, and which parts they stand for.

Figures 3 to 5 of "Attentive Grouping", and the numbers that they stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kinsight.evaluation import Estimate
from kinsight.show.groups.conclusion import conclusion
from kinsight.show.groups.moved import moved_pictures, moved_words
from kinsight.show.groups.relations import relations_of
from kinsight.show.groups.result import GroupsResult
from kinsight.show.groups.tiles import KINDS, Tiles
from kinsight.show.page import environment

METRICS = {"recall_at_1": "R@1", "map_at_r": "MAP@R"}


def groups_html(found: GroupsResult, picture: Callable[[int], np.ndarray]) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        found: the groups.
        picture: gives what the network saw of a row, (H, W, 3) uint8; asked only for the pictures that are shown.
    """
    tiles = Tiles(found.groups, picture, ids=found.ids, labels=found.labels, part_of=found.part_of)
    word, sentence = KINDS[found.groups.kind]
    numbers = range(found.groups.count)
    return (
        environment()
        .get_template("groups.html")
        .render(
            found=found,
            conclusion=conclusion(found),
            full=tiles.most,
            word=word,
            sentence=sentence,
            dim=found.groups.vectors.shape[2],
            both=found.groups.kind != "contributions",
            rows=[_row("all groups", found.whole), *(_row(f"group {one}", found.alone[one]) for one in numbers)],
            most=_most(found),
            metrics=METRICS,
            favourites=[found.favourite(one) for one in numbers],
            sections=[[tiles.tile(row, one) for row in found.groups.strongest(one, found.top)] for one in numbers],
            matrices=_matrices(found),
            confusion=_confusion(found),
            distinct=found.distinct(),
            rendered=bool(found.protocol.get("data", {}).get("rendered")),
            relations=relations_of(found),
            beside=[tiles.row(row) for row in found.shown],
            moved=moved_pictures(found),
            moved_words=[] if found.moved is None else [moved_words(found, one) for one in numbers],
        )
    )


def _row(name: str, metrics: dict[str, float]) -> dict[str, Any]:
    return {"name": name, "estimates": {key: Estimate.of(metrics, key) for key in METRICS}}


def _most(found: GroupsResult) -> dict[str, float]:
    """The largest end of any interval of each metric, which all are drawn against."""
    every = [found.whole, *found.alone]
    return {key: max(_largest(Estimate.of(metrics, key)) for metrics in every) or 1.0 for key in METRICS}


def _largest(estimate: Estimate) -> float:
    return estimate.ends[1] if estimate.ends else estimate.value


def _matrices(found: GroupsResult) -> list[dict[str, Any]]:
    return [
        {
            "title": "How alike their embeddings are",
            "note": "Mean cosine of two groups of the same picture: 1 where they say the same, 0 where they have nothing in common. "
            + ("The diversity loss keeps it small." if found.groups.lengths is None else ""),
            "values": found.groups.similarity,
        },
        {
            "title": "How much of what they look at they share",
            "note": "Mean share of the map that two groups have in common: 1 where they look at the same places with the same weights, "
            "0 where at different ones.",
            "values": found.groups.overlap,
        },
    ]


def _confusion(found: GroupsResult) -> list[tuple[str, list[float]]]:
    """Each part with its share of the pictures for every group."""
    if isinstance(found.parts, str):
        return []
    return list(zip(found.parts.parts, found.parts.shares.T.tolist(), strict=True))
