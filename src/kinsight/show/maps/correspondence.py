"""The page of a correspondence: parts that were asked about, and where the map answered, on a few pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from kinsight.explanation.measuring.correspondence import PARTIAL, Correspondence
from kinsight.show.maps.plates import Card, MapsPage, Marks, Plate, evenly
from kinsight.show.maps.table import correspondence_rows
from kinsight.show.maps.verdict import correspondence_verdict
from kinsight.show.thumbnails import opened_or_blank

COUNT, PARTS = 10, 6
LEGEND = {"true": "the part", "hit": "the map's peak, on the part", "miss": "the map's peak, beside it"}


def correspondence_html(found: Correspondence, pictures: Sequence[str], *, record: dict[str, str]) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        pictures: the files of all pictures.
        record: what was measured, fact by fact.
    """
    pairs, again = np.unique(found.pairs, axis=0, return_inverse=True)
    again = again.reshape(-1)
    right = found.right[PARTIAL][:, 0]
    shares = np.bincount(again, weights=right) / np.bincount(again)
    shown = evenly(np.argsort(-shares, kind="stable"), COUNT).tolist()
    cards = [_card(found, np.flatnonzero(again == pair), [pictures[row] for row in pairs[pair]]) for pair in shown]
    alpha = found.alphas[0]
    return MapsPage(
        title="Are parts answered by the same parts?",
        verdict=correspondence_verdict(found),
        table=correspondence_rows(found),
        about="PCK: the share of parts whose answer lies within so much of the longer side of the other picture's box. Same position "
        "looks at no picture; nearest place is the best that a map of this many places can do without looking between them.",
        cards_title=f"{len(cards)} of {len(pairs)} pairs",
        cards_about=f"Evenly from the pair with most right answers to that with fewest. Within a ring is right ({alpha:g} of "
        "the box); a line leads from the map's peak to the part that was meant.",
        cards=cards,
        legend=LEGEND,
        record=record,
    ).html()


def _card(found: Correspondence, rows: np.ndarray, files: Sequence[str]) -> Card:
    shown = [opened_or_blank(file) for file in files]
    asked, answered = (Marks(picture) for picture in shown)
    drawn = evenly(rows, PARTS).tolist()  # more would hide each other
    for number, row in enumerate(drawn, start=1):
        query, truth, peak = (
            point / [picture.width, picture.height]
            for point, picture in zip(found.points[row], (shown[0], shown[1], shown[1]), strict=True)
        )
        kind = "hit" if found.right[PARTIAL][row, 0] else "miss"
        asked.number(query, number, "true")
        answered.ring(truth, found.radii[row, 0] / shown[1].height, "true").line(peak, truth, kind).number(
            peak, number, kind
        )
    right = int(found.right[PARTIAL][rows, 0].sum())
    names = [PurePath(file).name for file in files]
    plates = [Plate(shown[0], f"asked: {names[0]}", asked), Plate(shown[1], f"answers: {names[1]}", answered)]
    parts = ", ".join(f"{number} {found.part[row]}" for number, row in enumerate(drawn, start=1))
    more = f" ({len(drawn)} of {len(rows)} are drawn)" if len(drawn) < len(rows) else ""
    return Card(f"{right} of {len(rows)} parts right", plates, note=parts + more)
