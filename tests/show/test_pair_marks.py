"""What a pair page shows before anybody points: the strongest matches, the spotlight, the line round what is strong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinsight.explanation import Pair
from kinsight.show.pair.page import pair_html
from show.made_pair import matches, planted
from show.pair_in_browser import hover, number, same, settled, shown, shows_overall, state, surface

Open = Callable[..., Any]


def rings(page: Any, side: str) -> Any:
    settled(page)
    return page.locator(f"[data-side={side}] .mark:visible")


def test_rings_stand_where_the_matches_are(page: Any, made: Pair) -> None:
    expected = made.matches()
    assert len(expected) > 1
    for side, size in (("query", made.query.size), ("other", made.other.size)):
        found, box = rings(page, side), surface(page, side).bounding_box()
        assert found.count() == len(expected)
        for n, match in enumerate(expected):
            ring, (y, x) = found.nth(n).bounding_box(), getattr(match, side)
            assert found.nth(n).inner_text() == str(n + 1)
            assert (ring["y"] + ring["height"] / 2 - box["y"]) / box["height"] == pytest.approx(
                (y + 0.5) / size[0], abs=0.01
            )
            assert (ring["x"] + ring["width"] / 2 - box["x"]) / box["width"] == pytest.approx(
                (x + 0.5) / size[1], abs=0.01
            )
    said = [number(one) for one in page.locator(".chip span").all_inner_texts()]
    assert said == pytest.approx([match.value for match in expected], rel=0.02)


def test_pointing_takes_the_rings_away_and_a_key_too(page: Any) -> None:
    count = rings(page, "query").count()
    hover(page, "query", 0.5, 0.5)
    assert rings(page, "query").count() == 0
    page.mouse.move(3, 3)
    assert rings(page, "query").count() == count
    page.keyboard.press("m")
    assert rings(page, "other").count() == 0
    assert page.locator("[data-switch=marks]").get_attribute("aria-pressed") == "false"
    page.locator("[data-switch=marks]").click()
    assert rings(page, "other").count() == count


def test_a_match_is_held_by_its_button_and_its_number(page: Any, made: Pair) -> None:
    first, second, *_ = made.matches()
    page.keyboard.press("2")
    assert state(page)["held"]
    step = state(page)["step"]
    same(shown(page, "other"), made.tensor[second.query_place], step)
    for side in ("query", "other"):
        assert rings(page, side).all_inner_texts() == ["2"]
    page.locator(".chip").first.click()
    same(shown(page, "other"), made.tensor[first.query_place], step)
    assert page.locator(".chip").first.get_attribute("aria-pressed") == "true"
    page.locator(".chip").first.click()
    shows_overall(page, made)
    assert rings(page, "query").count() == len(made.matches())


def test_the_map_is_taken_off_the_pictures(page: Any) -> None:
    layers = page.locator(".surface > canvas:visible, .surface > .outline:visible")
    assert layers.count() == 4
    page.keyboard.press("o")
    settled(page)
    assert layers.count() == 0
    page.locator("[data-switch=overlay]").click()
    settled(page)
    assert layers.count() == 4


@pytest.mark.long
def test_a_line_goes_round_what_says_most(open_page: Open) -> None:
    # Only place (1, 4) of 4 x 6 speaks: half of its value is reached half a place away from its centre.
    page = settled(open_page(pair_html(planted())))
    line = page.locator("[data-side=query] .outline path:not(.halo)").get_attribute("d")
    numbers = np.array(line.replace("M", " ").replace("L", " ").split(), float).reshape(-1, 2)
    x, y = numbers.T
    assert (x.min(), x.max()) == (pytest.approx(4.0 / 6, abs=0.01), pytest.approx(5.0 / 6, abs=0.01))
    assert (y.min(), y.max()) == (pytest.approx(1.0 / 4, abs=0.01), pytest.approx(2.0 / 4, abs=0.01))
    contrary = settled(open_page(pair_html(planted(-1.0))))
    assert contrary.locator(".outline path").first.get_attribute("d") == ""
    assert "no two places speak" in contrary.inner_text(".chips")


@pytest.mark.long
def test_every_match_of_a_query_has_its_rings(open_page: Open) -> None:
    pairs = matches(3)
    page = open_page(pair_html(pairs))
    for n, made in enumerate(pairs):
        page.locator(f"input[name=match][value='{n}']").check(force=True)
        assert rings(page, "other").count() == len(made.matches())


@pytest.mark.long
def test_rings_on_a_phone(open_page: Open, made: Pair) -> None:
    page = open_page(pair_html(made), width=360, height=640, has_touch=True, is_mobile=True)
    assert rings(page, "query").count() == len(made.matches())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".chip").nth(1).tap()
    assert state(page)["chosen"] == 1
    assert page.locator(".chip").nth(1).bounding_box()["height"] >= 36
