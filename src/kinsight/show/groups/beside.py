"""The page of several runs with groups on the same pictures ("Attentive Grouping", Figure 5; moved pictures: Figure 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kinsight.show.groups.conclusion import conclusion
from kinsight.show.groups.moved import moved_pictures, moved_words
from kinsight.show.groups.result import GroupsResult
from kinsight.show.groups.table import beside_cells, beside_titles
from kinsight.show.groups.tiles import KINDS, Tiles
from kinsight.show.page import environment


def groups_beside_html(found: Sequence[GroupsResult], pictures: Sequence[Callable[[int], np.ndarray]]) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        found: the groups of each run, on the same pictures.
        pictures: for each run what its network saw of a row, (H, W, 3) uint8.
    """
    tiles = [
        Tiles(each.groups, picture, ids=each.ids, labels=each.labels, part_of=each.part_of)
        for each, picture in zip(found, pictures, strict=True)
    ]
    return (
        environment()
        .get_template("groups_beside.html")
        .render(
            found=found,
            conclusions=[conclusion(each)[0] for each in found],
            attends=[each.groups.kind == "attention" for each in found],
            titles=beside_titles(found),
            rows=[(each.run, beside_cells(each)) for each in found],
            words=[KINDS[each.groups.kind][0] for each in found],
            sentences=list(dict.fromkeys(KINDS[each.groups.kind][1] for each in found)),
            pictures=[[of_run.row(row) for of_run in tiles] for row in found[0].shown],
            moved=[moved_pictures(each, limit=1) for each in found],
            moved_words=[
                [moved_words(each, group) for group in range(each.groups.count)] if each.moved is not None else []
                for each in found
            ],
        )
    )
