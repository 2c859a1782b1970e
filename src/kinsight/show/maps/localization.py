"""The page of a localization: true boxes, the boxes of maps and masks on a few pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kinsight.explanation.measuring.boxes import to_input
from kinsight.explanation.measuring.drawing import drawing_of
from kinsight.explanation.measuring.localization import CENTRE, Masks
from kinsight.explanation.measuring.localization_result import Localization
from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.show.maps.plates import Card, MapsPage, Marks, Plate, evenly, with_mask
from kinsight.show.maps.table import localization_rows
from kinsight.show.maps.verdict import localization_verdict
from kinsight.show.overlay import overlay

COUNT, METHODS_SHOWN = 12, 3
LEGEND = {"true": "true box", "found": "box of the map", "middle": "centred box", "mask": "mask"}


def shown_pictures(found: Localization) -> np.ndarray:
    """Which of the N pictures the page shows: evenly from the best overlap of the first method's box to the worst."""
    return evenly(np.argsort(-_overlaps(found, next(iter(found.scores))), kind="stable"), COUNT)


def shown_methods(found: Localization) -> list[str]:
    """Whose maps the page shows."""
    return list(found.scores)[: min(METHODS_SHOWN, len(found.scores) - 2)]


def localization_html(
    found: Localization, drawn: MethodMaps, *, masks: Masks | None = None, record: dict[str, str]
) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        drawn: the maps of `shown_pictures` by `shown_methods`.
        masks: of all pictures that were given, where there are any.
        record: what was measured, fact by fact.
    """
    cards = [_card(found, drawn, number, row, masks) for number, row in enumerate(shown_pictures(found).tolist())]
    return MapsPage(
        title="Do maps find the object?",
        verdict=localization_verdict(found),
        table=localization_rows(found),
        about=f"Right: the box of the map overlaps the true one by IoU >= {found.iou:g}, its threshold chosen on the other half of the "
        "classes. Energy: the share of the map's positive part that falls inside. Peak: how often its highest point lies inside.",
        cards_title=f"{len(cards)} of {len(found.labels)} pictures",
        cards_about=f"Evenly from the best box of {next(iter(found.scores))} to the worst, so they are as good as all are.",
        cards=cards,
        legend={kind: words for kind, words in LEGEND.items() if kind != "mask" or masks is not None},
        record=record,
    ).html()


def _card(found: Localization, drawn: MethodMaps, number: int, row: int, masks: Masks | None) -> Card:
    assert found.pairs is not None
    window, picture = drawn.windows[number], Image.fromarray(drawn.pictures[number])

    def shares(box: np.ndarray) -> np.ndarray:
        return to_input(box, tuple(window.tolist()), (1, 1))

    def marked(box: np.ndarray, kind: str) -> Marks:
        assert found.truths is not None
        return Marks(picture).box(shares(found.truths[row]), "true").box(shares(box), kind)

    mask = None if masks is None else masks[int(found.pairs[row, 0])]
    plain = picture if mask is None else with_mask(picture, _seen(mask, window))
    middle = float(_overlaps(found, CENTRE)[row])
    plates = [
        Plate(plain, f"centred box: IoU {middle:.2f}", marked(found.boxes(CENTRE)[row], "middle"), middle >= found.iou)
    ]
    drawing = drawing_of(found.drawing)
    for method, maps in drawn.maps.items():
        centres = drawing.centres(
            drawn.centres, (drawn.centres.rows.pixels, drawn.centres.columns.pixels), maps[number].shape
        )
        overlap = float(_overlaps(found, method)[row])
        shown = overlay(drawn.pictures[number], maps[number], centres)
        marks = marked(found.boxes(method)[row], "found")
        plates.append(Plate(shown, f"{method}: IoU {overlap:.2f}", marks, overlap >= found.iou))
    note = f"against {drawn.partners[number]}, similarity {drawn.similarities[number]:.3f}"
    return Card(drawn.names[number], plates, note=note, right=plates[1].right)


def _overlaps(found: Localization, method: str) -> np.ndarray:
    """(N,), IoU at the threshold that is applied to each picture."""
    columns = found.applied(method)
    if columns is None:
        return found.scores[method].overlaps[:, found.thresholds.index(found.best_threshold(method))]
    return found.scores[method].overlaps[np.arange(len(columns)), columns]


def _seen(mask: np.ndarray, window: np.ndarray) -> np.ndarray:
    """What the network saw of a mask."""
    left, top, right, bottom = np.round(window).astype(int)
    return mask[top:bottom, left:right]
