from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinsight.show.maps.correspondence import correspondence_html
from kinsight.show.maps.faithfulness import faithfulness_html, shown_pairs
from kinsight.show.maps.localization import localization_html, shown_methods, shown_pictures
from kinsight.show.maps.plates import EDGE, Marks, evenly, with_mask
from kinsight.show.maps.table import localization_table
from kinsight.show.maps.verdict import correspondence_verdict, faithfulness_verdict, localization_verdict
from show.made_maps import correspondence, drawn, faithfulness, files, localization
from show.made_page import Page


def test_what_a_localization_means() -> None:
    found = localization()
    said = localization_verdict(found)
    assert said.startswith("The maps of decomposition find 100 % of the boxes, a centred box 0 %: the maps know where")
    middle = localization_verdict(localization(corner=False))
    assert "find 0 % of the boxes, a centred box 100 %: on these pictures objects stand in the middle" in middle
    # One class has no other half on which a threshold could be chosen.
    assert "100 % of the boxes" in localization_verdict(replace(found, labels=np.zeros(len(found.labels))))
    assert " ".join(localization_table(found).split()).startswith(said)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.8, 0.1, 0.1), "parts are answered by the same parts"),
        ((0.4, 0.1, 0.9), "here parts stand where they stood"),
        ((0.4, 0.1, 0.4), "not clearly better than looking at the same position"),
        ((0.1, 0.1, 0.0), "nothing shows that the map knows"),
    ],
)
def test_what_a_correspondence_means(shares: tuple[float, float, float], said: str) -> None:
    found = correspondence_verdict(correspondence(*shares))
    assert said in found
    assert f"in {100 * shares[0]:.0f} % of the cases" in found


@pytest.mark.parametrize(
    ("deletion", "insertion", "said"),
    [(-0.2, 0.1, "call important matters"), (-0.2, -0.1, "right in part"), (0.2, -0.1, "matter no more than others")],
)
def test_what_a_faithfulness_means(deletion: float, insertion: float, said: str) -> None:
    assert said in faithfulness_verdict(faithfulness(deletion, insertion))


def test_pictures_go_evenly_from_best_to_worst() -> None:
    assert evenly(np.arange(100), 5).tolist() == [0, 25, 50, 74, 99]
    assert evenly(np.arange(3), 5).tolist() == [0, 1, 2]
    found = localization()
    overlaps = found.scores["decomposition"].overlaps
    overlaps[:] = np.linspace(0, 1, len(overlaps))[:, None]
    assert shown_pictures(found)[[0, -1]].tolist() == [len(overlaps) - 1, 0]


def test_the_page_of_a_localization() -> None:
    found = localization()
    count = len(shown_pictures(found))
    masks = [np.tile(np.arange(60) < 24, (48, 1))] * 24
    page = Page(localization_html(found, drawn(count), masks=masks, record={"run": "<birds>"}))
    assert localization_verdict(found) in page.text
    assert page.count("article") == count
    assert page.count("img") == 3 * count  # the picture and two maps
    assert page.text.count("✓ decomposition: IoU") == count == page.text.count("✗ grad-cam: IoU 0.00")
    true = [attributes for tag, attributes in page.elements if tag == "rect" and attributes["class"] == "true"]
    assert len(true) == 3 * count
    # Of a picture of 48 x 60 pixels, 100 units high.
    assert {float(box["width"]) for box in true} == {50.0}
    assert {float(box["height"]) for box in true} == {41.67}
    assert page.count("rect", class_="found") == 2 * count
    assert "<birds>" in page.text
    assert all(one.startswith("data:") for one in page.references)
    assert shown_methods(found) == ["decomposition", "grad-cam"]


def test_the_page_of_a_correspondence(tmp_path: Path) -> None:
    found = correspondence()
    page = Page(correspondence_html(found, files(tmp_path), record={}))
    assert page.count("article") == 6
    assert page.text.count("8 of 10 parts right") == 6
    drawn_parts = 6 * 6  # more would hide each other
    assert page.count("circle", class_="disc true") == page.count("circle", class_="true") == drawn_parts
    assert page.count("circle", class_="disc hit") + page.count("circle", class_="disc miss") == drawn_parts
    gone = Page(correspondence_html(found, [str(tmp_path / "gone.jpg")] * 8, record={}))
    assert gone.count("article") == 6


def test_the_page_of_a_faithfulness(tmp_path: Path) -> None:
    found = faithfulness()
    count = len(shown_pairs(found))
    page = Page(faithfulness_html(found, drawn(count, ("decomposition",)), files(tmp_path), record={}))
    assert page.count("article") == count == 8
    assert page.count("svg", class_="chart") == 2 + count
    assert faithfulness_verdict(found) in page.text


def test_marks_lie_where_they_are_said_to() -> None:
    marks = Marks(Image.new("RGB", (200, 100)))
    svg = str(marks.box(np.array([0.25, 0.5, 0.75, 1.0]), "true").box(np.full(4, np.nan), "found").svg)
    assert marks.wide == 200
    assert re.findall(r'x="50.00" y="50.00" width="100.00" height="50.00" class="(\w+)"', svg) == ["halo", "true"]
    assert "found" not in svg


def test_a_line_goes_round_a_mask() -> None:
    mask = np.zeros((40, 80), bool)
    mask[10:30, 20:60] = True
    coloured = (np.asarray(with_mask(Image.new("RGB", (80, 40)), mask)) == EDGE).all(2)
    assert coloured[20, 20]
    assert not coloured[20, 40]
    assert not coloured[:8].any()
