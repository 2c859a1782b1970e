"""The same picture moved about, and whether the groups followed, for the pages of groups."""

from __future__ import annotations

from typing import Any

from kinsight.explanation.measuring.moved_groups import PLACES
from kinsight.show.groups.result import GroupsResult
from kinsight.show.groups.tiles import Tiles


def moved_pictures(found: GroupsResult, limit: int = 2) -> list[dict[str, Any]]:
    """The first pictures that were moved, each with its windows; every window with the tiles of all groups. Empty where none was."""
    if found.moved is None:
        return []
    count, pictures = len(PLACES), found.moved.pictures
    labels = [found.labels[row] for row in found.shown for _ in PLACES]
    ids = [f"{found.ids[row]}, {place}" for row in found.shown for place in PLACES]
    tiles = Tiles(found.moved.groups, lambda row: pictures[row], ids=ids, labels=labels)
    shown = range(min(limit, len(found.moved.sizes)))
    return [{"windows": [tiles.row(number * count + place) for place in range(count)]} for number in shown]


def moved_words(found: GroupsResult, group: int) -> str:
    """`followed in 17 of 20 moves, stayed in 1 of 24`."""
    assert found.moved is not None
    followed, stayed = found.moved.followed(group), found.moved.stayed(group)
    return f"followed in {followed[0]} of {followed[1]}, stayed in {stayed[0]} of {stayed[1]}"
