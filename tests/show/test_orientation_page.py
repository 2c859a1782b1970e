"""What is said and drawn of headings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinsight.explanation.orientation.estimates import VOTES
from kinsight.show.orientation.page import COUNT, orientation_html
from kinsight.show.orientation.rose import RADIUS, rose
from kinsight.show.orientation.table import orientation_table
from kinsight.show.orientation.verdict import orientation_verdict
from show import made_orientation
from show.made_page import Page


def test_what_headings_mean() -> None:
    found = made_orientation.orientation()
    assert found.true is not None
    said = orientation_verdict(found)
    assert f"the heading of {100 * found.rate(VOTES).value:.1f} % of 240 panoramas within 3.5 degrees" in said
    assert "votes are better than the point map, and that is better than the overall maps" in said
    assert "more than half a column of places (5.6)" in said or "less than half a column of places (5.6)" in said
    assert "nothing shows that these maps know" in orientation_verdict(made_orientation.orientation(chance=True))
    far = replace(found.readings, found=dict.fromkeys(found.readings.found, (found.true + 180) % 360))
    assert "nothing shows that these maps know" in orientation_verdict(
        replace(found, readings=far)
    )  # all wrong: no interval
    assert "nothing says how many of them are right" in orientation_verdict(made_orientation.orientation(known=False))


def test_the_terminal_shows_every_way_and_every_difference() -> None:
    text = orientation_table(made_orientation.orientation())
    for words in ("overall, clipped", "colours", "chance", "votes - point", "point - overall", "surer half", "fifth 5"):
        assert words in text
    assert "1.9" in next(line for line in text.splitlines() if line.startswith("chance"))
    unknown = orientation_table(made_orientation.orientation(known=False))
    assert "within" not in unknown


def test_the_page_draws_rays_columns_and_circular_histograms(tmp_path: Path) -> None:
    found = made_orientation.orientation()
    html = orientation_html(found, *made_orientation.files(tmp_path), record={"run": "runs/a & b"})
    page = Page(html)
    assert page.text.index("All pairs of places") < page.text.index("median error") < page.text.index("Errors round")
    assert html.count('class="rose"') == 3
    assert html.count("<article>") == 3 * COUNT
    assert html.count('class="true"/>') == 3 * COUNT  # one ray of the truth each
    assert "a &amp; b" in html
    assert "Sure and wrong" in page.text
    assert "probability" in page.text


def test_rays_point_where_the_answer_and_the_truth_say(tmp_path: Path) -> None:
    found = made_orientation.orientation()
    names, street, aerial = made_orientation.files(tmp_path)
    one = replace(
        found,
        true=np.full(len(found), 90.0),
        readings=replace(
            found.readings,
            found={way: np.full(len(found), 180.0) for way in found.readings.found},
            turns=np.zeros(len(found)),
            street=np.tile([64.0, 30.0], (len(found), 1)),  # a quarter round
        ),
    )
    html = orientation_html(one, names, street, aerial, record={})
    (truth,) = set(re.findall(r'<path d="(M[^"]+)" class="true"/>', html))
    (answer,) = set(re.findall(r'<path d="(M[^"]+)" class="miss"/>', html))
    (column,) = set(re.findall(r'<path d="(M[^"]+)" class="seen"/>', html))
    assert truth == "M50.00 50.00L50.00 100.00"  # 90 + 90: down
    assert answer == "M50.00 50.00L0.00 50.00"  # 180 + 90: left
    assert column == "M100.00 0.00L100.00 100.00"


def test_a_page_without_headings_shows_answers_alone(tmp_path: Path) -> None:
    found = made_orientation.orientation(known=False)
    html = orientation_html(found, *made_orientation.files(tmp_path), record={})
    page = Page(html)
    assert 'class="rose"' not in html
    assert 'class="true"/>' not in html
    assert html.count("<article>") == 2 * COUNT
    assert "true " not in page.text.split("What was measured")[0].split("nothing says")[1]


def test_areas_of_sectors_are_shares() -> None:
    middles = np.arange(4) * 90.0
    drawn = rose(middles, np.array([0.5, 0.125, 0, 0.375]), 0.5, "errors & more")
    radii = [float(each) for each in re.findall(r"A([\d.]+) ", drawn)]
    assert radii == pytest.approx([RADIUS, RADIUS / 2, RADIUS * 0.75**0.5], abs=0.01)
    assert drawn.count("sector right") == 1
    assert "errors &amp; more" in drawn
