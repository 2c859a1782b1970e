"""The hits of a search: the page in a browser, JSON, and the text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation.regions import Region
from kinsight.explanation.window import to_picture
from kinsight.show.hits.files import write_hits
from kinsight.show.hits.page import hits_html
from kinsight.show.hits.table import hits_table
from show import made_hits


@pytest.mark.long
def test_a_hit_opens_to_the_pair_with_the_region_held(open_page: Callable[..., Any], tmp_path: Path) -> None:
    found = made_hits.made(tmp_path, regions=[Region((20, 10, 70, 60))])
    page = open_page(hits_html(found))
    assert page.locator("#why").is_hidden()
    hits = [hit for hit in found if hit.view is not None]
    openers = page.locator("button.open")
    assert openers.count() == len(hits) == len(found) - 1
    openers.nth(2).click()
    frame = page.frame_locator("#why iframe")
    frame.locator("input[name=match]:checked").wait_for(state="attached")
    page.wait_for_function("document.querySelector('#why iframe').contentWindow.kinsight?.state().held")
    state = page.evaluate("document.querySelector('#why iframe').contentWindow.kinsight.state()")
    assert state["match"] == 2
    assert state["target"]["side"] == "query"
    top, left, bottom, right = state["target"]["box"]
    assert to_picture(np.array([left, top, right, bottom]), (0, 0, 120, 96), (48, 60)) == pytest.approx(
        (20, 10, 70, 60)
    )
    assert frame.locator("[data-side=other] .name").inner_text() == Path(hits[2].id).name
    assert openers.nth(2).get_attribute("aria-current") == "true"
    # The outlines go and come by one key.
    outline = page.locator(".hit rect.answer").first
    assert outline.is_visible()
    page.keyboard.press("o")
    assert not outline.is_visible()
    page.locator("#outlines").click()
    assert outline.is_visible()


def test_the_outline_lies_where_the_answer_does(tmp_path: Path) -> None:
    found = made_hits.made(tmp_path)
    first = found[0]
    assert first.answer is not None
    assert first.view is not None
    left, top, right, _ = first.answer
    height, width = first.view.size
    assert f'x="{left / width:.4f}" y="{top / height:.4f}" width="{(right - left) / width:.4f}"' in hits_html(found)


def test_names_are_names_whatever_they_are(tmp_path: Path) -> None:
    text = hits_html(made_hits.made(tmp_path))
    assert "<script>alert" not in text
    assert "its picture does not exist" in text


def test_json_and_the_terminal_say_the_same(tmp_path: Path) -> None:
    found = made_hits.made(tmp_path)
    plain = json.loads(write_hits(tmp_path / "hits.json", found).read_text())
    assert [hit["score"] for hit in plain["hits"]] == [hit.score for hit in found]
    assert plain["regions"][0] == {"box": [20, 10, 70, 60], "weight": 1}
    assert plain["regions"][1] == {"mask": [48, 60], "weight": 0.5}
    assert (plain["searched"], plain["held"]) == (1234, 5678)
    text = hits_table(found)
    assert text.startswith(
        "2 regions of query one.jpg without 1 region against 1,234 of 5,678 pictures where camera != 3"
    )
    for hit in found:
        assert f"{hit.score:+.4f}" in text
    assert "gone.jpg: its picture does not exist" in text
    with pytest.raises(KinsightError, match=r"write \.html .* or \.json"):
        write_hits(tmp_path / "hits.pdf", found)
