"""The pair page in a real browser: phones, print, light and dark, several pairs, and pairs of odd shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kinsight.explanation import Pair, View
from kinsight.show.pair.page import pair_fragment, pair_html
from show.made_pair import matches, pair, planted, view
from show.pair_in_browser import hover, number, same, settled, shown, shows_overall, state, surface, text

Open = Callable[..., Any]


@pytest.mark.parametrize("several", [False, True])
def test_a_phone_shows_all_without_scrolling_sideways(open_page: Open, several: bool) -> None:
    long = View(**{**vars(pair().query), "name": "a_very_long_name_" * 8 + ".jpg"})
    pairs = [Pair(long, one.other) for one in matches(9)] if several else [Pair(long, pair().other)]
    page = open_page(pair_html(pairs), width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    first, second = surface(page, "query").bounding_box(), surface(page, "other").bounding_box()
    assert second["y"] > first["y"] + first["height"]
    assert first["width"] > 200
    assert second["y"] + second["height"] - first["y"] < 740  # both fit the window


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "height"),
    [(390, 844), pytest.param(360, 640, marks=pytest.mark.slow), pytest.param(844, 390, marks=pytest.mark.slow)],
)
def test_on_a_phone_a_tap_brings_its_answer_into_view(open_page: Open, width: int, height: int) -> None:
    pairs = [
        Pair(replace(one.query, label="auklet"), replace(one.other, label="puffin, a very long name of a bird " * 3))
        for one in matches(9)
    ]
    page = open_page(pair_html(pairs), width=width, height=height, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for side, far in (("query", "other"), ("other", "query")):
        for at in (0, page.evaluate("document.documentElement.scrollHeight")):
            page.evaluate("at => scrollTo(0, at)", at)
            surface(page, side).scroll_into_view_if_needed()
            surface(page, side).tap(position={"x": 9, "y": 9})
            box, words = surface(page, far).bounding_box(), page.locator(".readout").bounding_box()
            lowest = words["y"] if width < height else height
            assert -1 <= box["y"] <= box["y"] + box["height"] <= lowest + 1
            assert box["height"] > 100
            page.evaluate("kinsight.letGo()")


def test_side_by_side_pictures_are_equally_high_and_keep_their_shape(page: Any) -> None:
    first, second = surface(page, "query").bounding_box(), surface(page, "other").bounding_box()
    assert first["y"] == pytest.approx(second["y"], abs=1)
    assert first["height"] == pytest.approx(second["height"], rel=0.01)
    assert first["width"] / first["height"] == pytest.approx(90 / 60, rel=0.01)
    assert second["width"] / second["height"] == pytest.approx(64 / 80, rel=0.01)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("seed", [0, 4])
def test_the_terms_add_up_to_the_score(open_page: Open, seed: int) -> None:
    made = pair(seed)
    page = open_page(pair_html(made))
    assert page.locator(".terms:visible, .exact:visible").count() == 0
    page.locator(".details summary").click()
    bars = page.locator(".terms .amount")
    boxes = [bars.nth(n).bounding_box() for n in range(5)]
    values = [float(bars.nth(n).get_attribute("data-value")) for n in range(5)]
    assert values[:4] == pytest.approx(list(made.terms))
    assert min(values[:4]) < 0 < max(values[:4])
    widths = [np.sign(value) * box["width"] for value, box in zip(values, boxes, strict=True)]
    assert sum(widths[:4]) == pytest.approx(widths[4], abs=2)
    one = boxes[0]["width"] / abs(values[0])
    assert np.abs(widths) == pytest.approx([one * abs(value) for value in values], abs=2)
    # Each bar starts where the one before ended, the first and the last at zero.
    starts = [box["x"] if value > 0 else box["x"] + box["width"] for value, box in zip(values, boxes, strict=True)]
    ends = [start + width for start, width in zip(starts, widths, strict=True)]
    assert starts[1:4] == pytest.approx(ends[:3], abs=2)
    assert starts[0] == pytest.approx(starts[4], abs=2)
    assert ends[3] == pytest.approx(ends[4], abs=2)
    said = [number(one) for one in settled(page).locator(".terms b").all_inner_texts()]
    assert said == pytest.approx(values, abs=6e-4)


@pytest.mark.long
def test_a_point_of_the_query_is_compared_between_matches(open_page: Open) -> None:
    pairs = matches(3)
    page = open_page(pair_html(pairs))
    page.evaluate("kinsight.point('query', 20, 30)")
    page.locator("input[name=match][value='2']").check(force=True)
    found = state(page)
    assert found["target"] == {"side": "query", "y": 20, "x": 30}
    same(shown(page, "other"), pairs[2].point("query", 20, 30), found["step"])
    assert settled(page).inner_text("[data-out=similarity]") == text(pairs[2].similarity)
    assert settled(page).locator("figure[data-side=other]").inner_text().startswith("Match 3")
    page.keyboard.press("ArrowLeft")
    page.evaluate("kinsight.point('other', 20, 10)")
    page.locator("input[name=match][value='0']").check(force=True)
    shows_overall(page, pairs[0])


@pytest.mark.long
def test_warnings_stand_where_they_belong(open_page: Open, made: Pair) -> None:
    fine = Pair(view((7, 8), (64, 64), seed=1), view((7, 7), (64, 64), seed=2))
    assert open_page(pair_html(fine)).locator(".notice:visible").count() == 0
    assert "The map is coarse. It has 4 × 6 places" in open_page(pair_html(made)).inner_text("[data-out=warnings]")
    bent = Pair(View(**{**vars(made.query), "affinity_error": 0.2}), made.other)
    assert "a gate was not declared" in open_page(pair_html(bent)).inner_text("[data-out=warnings]")
    wrong = Pair(View(**{**vars(made.query), "whole": made.query.whole * 1.5 + 0.1}), made.other)
    assert "do not add up" in open_page(pair_html(wrong)).inner_text("[data-out=warnings]")
    biased = Pair(view((4, 6), (48, 60), seed=1, bias=40), view((5, 3), (40, 32), seed=2, bias=40))
    assert "all of it is bias" in open_page(pair_html(biased)).inner_text("[data-out=warnings]")


@pytest.mark.long
def test_light_dark_and_still(open_page: Open, made: Pair) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page(pair_html(made), color_scheme=scheme, reduced_motion="reduce")
        read = "getComputedStyle(document.body)"
        seen[scheme] = [page.evaluate(f"{read}.{name}") for name in ("backgroundColor", "color")]
        assert page.locator(".surface img").first.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"
    assert brightness(seen["light"][0]) > 200 > 100 > brightness(seen["light"][1])
    assert brightness(seen["dark"][0]) < 60 < 150 < brightness(seen["dark"][1])


def brightness(colour: str) -> float:
    return float(np.mean([int(one) for one in colour.strip("rgb()").split(",")[:3]]))


def test_the_slider_goes_from_the_picture_to_the_map(page: Any) -> None:
    page.locator("input[name=look][value=colours]").check(force=True)
    slider = page.locator("input[name=strength]")
    for value, opacity, grey in (("0", "0", "grayscale(0)"), ("100", "1", "grayscale(1)")):
        slider.fill(value)
        page.wait_for_function(
            "wanted => getComputedStyle(document.querySelector('.surface img')).filter === wanted", arg=grey
        )
        assert page.locator(".surface canvas").first.evaluate("node => getComputedStyle(node).opacity") == opacity


@pytest.mark.long
def test_several_pairs_of_a_notebook_do_not_meet(open_page: Open) -> None:
    pairs = [pair(1), pair(2)]
    notebook = "".join(f"<h1 class='score' style='color:red'>cell</h1>{pair_fragment(one)}" for one in pairs)
    page = open_page(f"<!doctype html><body data-jp-theme-light='false' style='background:#111'>{notebook}</body>")
    frames = page.frames[1:]
    assert len(frames) == 2
    for frame, one in zip(frames, pairs, strict=True):
        frame.wait_for_function("window.kinsight && frameElement.offsetHeight > 500")
        surface(frame, "query").scroll_into_view_if_needed()
        box = surface(frame, "query").bounding_box()
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
        found = frame.evaluate("kinsight.state()")
        expected = one.point("query", found["target"]["y"], found["target"]["x"])
        same(np.array(frame.evaluate("kinsight.map()")), expected, found["step"])
        page.mouse.move(2, 2)
        # The frame is as high as its page, and as dark as the notebook.
        height = frame.evaluate("[frameElement.offsetHeight, document.documentElement.scrollHeight]")
        assert height[0] == pytest.approx(height[1], abs=2)
        assert brightness(frame.evaluate("getComputedStyle(document.body).backgroundColor")) < 60
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(255, 0, 0)"
    assert page.evaluate("'kinsight' in window") is False


def test_any_grid_and_no_picture(open_page: Open) -> None:
    one = view((1, 1), (32, 200), seed=1, picture=None, name="panorama")
    made = Pair(one, view((9, 2), (900, 300), seed=2, picture=(400, 40)))
    page = open_page(pair_html(made))
    shows_overall(page, made)
    hover(page, "query", 0.5, 0.2)
    found = state(page)
    same(shown(page, "other"), made.point("query", 3, 7), found["step"])
    assert page.get_by_text("The picture itself was not kept.").first.is_visible()
    assert page.evaluate("kinsight.pixels('other').size") == [768, 256]  # large maps are drawn smaller


def test_one_place_that_contradicts(open_page: Open) -> None:
    page = open_page(pair_html(planted(-1.0)))
    page.evaluate("kinsight.point('query', 17.5, 44.5)")  # the centre of place (1, 4)
    assert "finds no answer" in settled(page).inner_text(".words")
    page.get_by_label("negative", exact=True).check(force=True)
    assert "contradiction" in settled(page).inner_text(".words")
    np.testing.assert_allclose(shown(page, "other"), planted(-1.0).tensor[1, 4], atol=1e-6)
    assert not page.get_by_label("with bias").is_enabled()  # there is none


def test_printed_without_controls(page: Any) -> None:
    page.emulate_media(media="print")
    assert page.locator(".controls:visible, .hold:visible, .switches:visible, .keys:visible").count() == 0
    assert page.locator(".terms:visible").count() == 1
    assert page.locator(".surface canvas:visible").count() == 2
    assert page.locator(".mark:visible").count() == 2 * page.locator(".chip:visible").count() > 0
