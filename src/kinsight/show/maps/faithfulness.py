"""The page of a faithfulness measurement: how similarities fall and rise, and maps of a few pairs beside their curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image

from kinsight.explanation.measuring.faithfulness import RANDOM, Faithfulness, Kind
from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.show.charts import Chart, Series, line_chart
from kinsight.show.maps.plates import Card, MapsPage, Marks, Plate, evenly
from kinsight.show.maps.table import faithfulness_rows
from kinsight.show.maps.verdict import faithfulness_verdict
from kinsight.show.overlay import overlay
from kinsight.show.thumbnails import opened_or_blank

COUNT = 8
WORDS: dict[Kind, str] = {"deletion": "taken away, most important first", "insertion": "put back, most important first"}


def shown_pairs(found: Faithfulness) -> np.ndarray:
    """Which of the M pairs the page shows: evenly from where the first method does best against random to where it does worst."""
    method = next(iter(found.curves["deletion"]))
    gains = [found.areas(kind, method) - found.areas(kind, RANDOM) for kind in ("deletion", "insertion")]
    return evenly(np.argsort(gains[0] - gains[1], kind="stable"), COUNT)


def faithfulness_html(
    found: Faithfulness, drawn: MethodMaps, partners: Sequence[str], *, record: dict[str, str]
) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        drawn: the maps of `shown_pairs` by the first method.
        partners: the files of their partners.
        record: what was measured, fact by fact.
    """
    cards = [
        _card(found, drawn, number, row, partners[number]) for number, row in enumerate(shown_pairs(found).tolist())
    ]
    return MapsPage(
        title="Does what maps call important matter?",
        verdict=faithfulness_verdict(found),
        table=faithfulness_rows(found),
        about="Deletion: the mean similarity while pixels are replaced, most important first; small is good. Insertion: while they are put "
        "back; large is good. Less random: the difference to random orders of regions as large as a map's places.",
        cards_title=f"{len(cards)} of {len(found.labels)} pairs",
        cards_about="Evenly from the pair in which the first method does best against random to that in which it does worst. The charts "
        "are the deletion of these pairs: the first line is the method, the second random order.",
        cards=cards,
        legend={},
        unit="Similarities, with 95 % intervals over classes.",
        charts=[_chart(found, kind) for kind in WORDS],
        record=record,
    ).html()


def _chart(found: Faithfulness, kind: Kind) -> Chart:
    mean = {name: values.mean(0) for name, values in found.curves[kind].items()}
    legend = [(name, f"{found.area(kind, name).value:.3f}") for name in mean]
    return Chart(f"{kind.capitalize()}: {WORDS[kind]}", _lines(found, mean, f"{kind} curves"), legend)


def _lines(found: Faithfulness, curves: dict[str, np.ndarray], said: str) -> Markup:
    series = [Series(name, found.fractions, values) for name, values in curves.items()]
    return line_chart(series, said, across_name="share")


def _card(found: Faithfulness, drawn: MethodMaps, number: int, row: int, partner: str) -> Card:
    method = next(iter(drawn.maps))
    picture, other = Image.fromarray(drawn.pictures[number]), opened_or_blank(partner)
    shown = overlay(drawn.pictures[number], drawn.maps[method][number], drawn.centres)
    gain = float((found.areas("deletion", method) - found.areas("deletion", RANDOM))[row])
    plates = [
        Plate(picture, "query", Marks(picture)),
        Plate(shown, method, Marks(shown)),
        Plate(other, "its best match", Marks(other)),
    ]
    curves = {name: found.curves["deletion"][name][row] for name in (method, RANDOM)}
    note = (
        f"against {drawn.partners[number]}, similarity {drawn.similarities[number]:.3f}; deletion {gain:+.3f} to random"
    )
    return Card(drawn.names[number], plates, _lines(found, curves, f"deletion of {drawn.names[number]}"), note)
