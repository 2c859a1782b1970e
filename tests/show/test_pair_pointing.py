"""Pointing at a pair page in a real browser: what it shows under mouse, finger and keys is what the pair says in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinsight.explanation import Pair
from kinsight.show.pair.page import pair_html
from kinsight.show.signed_colours import signed_colours, signed_ramp, spotlight_ramp
from show.made_pair import view
from show.pair_in_browser import (
    canvas,
    hover,
    number,
    painted,
    same,
    settled,
    shown,
    shows_overall,
    state,
    surface,
    text,
)

OPPOSITE = {"query": "other", "other": "query"}
Open = Callable[..., Any]


@pytest.mark.parametrize("side", ["query", "other"])
@pytest.mark.parametrize(("down", "right"), [(0.31, 0.62), (0.004, 0.004), (0.995, 0.5), (0.5, 0.97)])
def test_pointing_shows_what_python_says(page: Any, made: Pair, side: str, down: float, right: float) -> None:
    look, ramp = ("spotlight", spotlight_ramp()) if side == "query" else ("colours", signed_ramp())
    page.locator(f"input[name=look][value={look}]").check(force=True)
    x, y = hover(page, side, down, right)
    found = state(page)
    view = made.query if side == "query" else made.other
    box = surface(page, side).bounding_box()
    assert found["target"]["side"] == side
    assert found["target"]["y"] == pytest.approx((y - box["y"]) / box["height"] * view.size[0] - 0.5, abs=0.2)
    assert found["target"]["x"] == pytest.approx((x - box["x"]) / box["width"] * view.size[1] - 0.5, abs=0.2)
    expected = made.point(side, found["target"]["y"], found["target"]["x"])
    same(shown(page, OPPOSITE[side]), expected, found["step"])
    assert shown(page, side) is None
    pixels = made.pixels(OPPOSITE[side], expected)
    same(painted(page, OPPOSITE[side]), pixels, found["step"])
    colours = signed_colours(painted(page, OPPOSITE[side]), found["limit"], ramp).astype(int)
    # Browsers keep colours multiplied by their opacity: faint ones come back rounded.
    sure = colours[..., 3] > 60
    assert sure.any()
    assert np.abs(canvas(page, OPPOSITE[side])[sure] - colours[sure]).max() <= 4
    assert not canvas(page, side).any()


def test_the_mouse_away_shows_the_overall_maps(page: Any, made: Pair) -> None:
    shows_overall(page, made)
    hover(page, "query", 0.5, 0.5)
    assert shown(page, "query") is None
    page.mouse.move(3, 3)
    shows_overall(page, made)
    assert state(page)["target"] is None
    added, rest = settled(page).locator(".words b").all_inner_texts()
    assert number(added) == pytest.approx(made.overall("query").sum(), abs=6e-4)
    assert number(added) + number(rest) == pytest.approx(made.similarity, abs=2e-3)


@pytest.mark.long
def test_choices_change_the_map(page: Any, made: Pair) -> None:
    page.get_by_label("with bias").check(force=True)
    shows_overall(page, made, bias=True)
    page.get_by_label("places", exact=True).first.check(force=True)
    for sign in ("positive", "negative"):
        page.get_by_label(sign, exact=True).check(force=True)
        np.testing.assert_allclose(shown(page, "other"), made.overall("other", sign=sign), rtol=1e-6, atol=1e-8)
        hover(page, "other", 0.4, 0.4)
        found = state(page)
        point = made.point("other", found["target"]["y"], found["target"]["x"], sign=sign)
        assert np.abs(point).max() > 0
        same(shown(page, "query"), point, found["step"])
        page.mouse.move(3, 3)


def test_drawn_as_places_every_pixel_has_the_value_of_its_place(page: Any, made: Pair) -> None:
    page.locator("input[name=drawn][value=places]").check(force=True)
    (height, width), (rows, columns) = made.query.size, made.query.grid
    places = np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)
    np.testing.assert_allclose(painted(page, "query"), made.overall("query")[places], rtol=1e-5, atol=1e-8)


def test_the_scale_is_fixed_or_adapts(page: Any, made: Pair) -> None:
    hover(page, "query", 0.9, 0.1)
    fixed = state(page)
    hover(page, "query", 0.2, 0.8)
    assert state(page)["limit"] == fixed["limit"]
    assert "same for all points" in settled(page).inner_text("[data-out=legend]")
    page.locator("input[name=scale][value=adapts]").check(force=True)
    hover(page, "query", 0.9, 0.1)
    found = state(page)
    most = np.abs(made.point("query", found["target"]["y"], found["target"]["x"])).max()
    assert found["limit"] == pytest.approx(most, rel=1e-3)
    assert "adapts" in settled(page).inner_text("[data-out=legend]")
    low, zero, high = settled(page).locator(".ticks span").all_inner_texts()
    assert float(high) == pytest.approx(most, rel=0.01)
    assert (low, zero) == ("\N{MINUS SIGN}" + high, "0")
    assert "similarity" in settled(page).inner_text("[data-out=legend]")


def test_the_readout_gives_the_best_answer(page: Any, made: Pair) -> None:
    hover(page, "query", 0.3, 0.3)
    target = state(page)["target"]
    answers = made.point("query", target["y"], target["x"])
    said = [number(one) for one in settled(page).locator(".words b").all_inner_texts()]
    assert said == pytest.approx([answers.max(), answers.sum()], abs=2e-5)
    assert f" of {text(made.similarity)}. " in settled(page).inner_text(".words")
    y, x, *_ = made.peak("other", answers)
    ring, box = page.locator("[data-side=other] .answer").bounding_box(), surface(page, "other").bounding_box()
    assert (ring["y"] + ring["height"] / 2 - box["y"]) / box["height"] == pytest.approx((y + 0.5) / 40, abs=0.01)
    assert (ring["x"] + ring["width"] / 2 - box["x"]) / box["width"] == pytest.approx((x + 0.5) / 32, abs=0.01)


@pytest.mark.long
def test_a_click_holds_a_point_and_the_other_picture_is_read(page: Any, made: Pair) -> None:
    hover(page, "query", 0.4, 0.6)
    page.mouse.down()
    page.mouse.up()
    held = state(page)["target"]
    hover(page, "query", 0.9, 0.9)
    hover(page, "other", 0.25, 0.75)
    found = state(page)
    assert found["target"] == held
    answers = made.point("query", held["y"], held["x"])
    there = made.other.drawn_at.weights(found["over"]["y"], found["over"]["x"])
    under = number(settled(page).locator(".words b").last.inner_text())
    assert under == pytest.approx((there * answers).sum(), abs=2e-5)
    button = page.get_by_role("button", name="Let go")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert state(page)["target"] is None
    hover(page, "query", 0.4, 0.6)
    page.mouse.down()
    page.mouse.up()
    page.mouse.down()
    page.mouse.up()
    assert not state(page)["held"]


def test_a_drag_shows_the_sum_of_the_region(page: Any, made: Pair) -> None:
    hover(page, "query", 0.2, 0.3)
    page.mouse.down()
    hover(page, "query", 0.5, 0.5)
    hover(page, "query", 0.71, 0.83)
    page.mouse.up()
    page.mouse.move(3, 3)
    found = state(page)
    top, left, bottom, right = found["target"]["box"]
    assert (top, left, bottom, right) == pytest.approx((0.2 * 48, 0.3 * 60, 0.71 * 48, 0.83 * 60), abs=1.01)
    mask = np.zeros((48, 60))
    mask[top:bottom, left:right] = 1
    assert found["places"] == pytest.approx(mask.sum() / 120)
    same(shown(page, "other"), made.region("query", mask), found["step"], found["places"])
    assert "region" in settled(page).inner_text(".words")


def test_a_drag_may_end_outside_of_the_picture(page: Any, made: Pair) -> None:
    hover(page, "other", 0.5, 0.4)
    page.mouse.down()
    hover(page, "other", 0.6, 0.3)
    hover(page, "other", 1.05, -0.3)
    page.mouse.up()
    found = state(page)
    assert found["held"]
    top, left, bottom, right = found["target"]["box"]
    assert (left, bottom) == (0, 40)
    mask = np.zeros((40, 32))
    mask[top:, :right] = 1
    same(shown(page, "query"), made.region("other", mask), found["step"], found["places"])


@pytest.mark.long
def test_tiny_numbers_are_said_with_a_power_of_ten(open_page: Open) -> None:
    made = Pair(view((32, 40), (64, 80), seed=1), view((40, 32), (80, 64), seed=2))
    page = open_page(pair_html(made))
    page.evaluate("kinsight.point('query', 10, 10)")
    said = [
        one.split(" \N{MULTIPLICATION SIGN} 10\N{SUPERSCRIPT MINUS}")
        for one in settled(page).locator(".words b").all_inner_texts()
    ]
    answers = made.point("query", 10, 10)
    assert [number(one) for one, _ in said] == pytest.approx([1e6 * answers.max(), 1e6 * answers.sum()], abs=0.02)
    assert [power for _, power in said] == ["\N{SUPERSCRIPT SIX}"] * 2


def test_keys_walk_from_place_to_place(page: Any, made: Pair) -> None:
    page.keyboard.press("Tab")
    strongest = np.unravel_index(made.overall("query").argmax(), made.query.grid)
    step = state(page)["step"]
    same(shown(page, "other"), made.tensor[strongest], step)
    page.keyboard.press("Home")
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    same(shown(page, "other"), made.tensor[0, 0], step)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    same(shown(page, "other"), made.tensor[1, 2], step)
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    places = np.zeros(made.query.grid)
    places[1:3, 0:3] = 1
    same(shown(page, "other"), made.region("query", places), step, 6)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert state(page)["target"]["side"] == "query"
    page.keyboard.press("Escape")
    shows_overall(page, made)
    page.keyboard.press("ArrowLeft")
    assert state(page)["target"]["side"] == "other"


def test_what_was_pointed_at_is_spoken_once_it_rests(page: Any) -> None:
    live = page.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('[aria-live=polite]').textContent.includes('best answer')")
    assert live.text_content() == page.locator(".words").text_content()


@pytest.mark.long
def test_a_finger_taps_drags_and_still_scrolls(open_page: Open, made: Pair) -> None:
    page = open_page(pair_html(made), width=360, height=640, has_touch=True, is_mobile=True)
    box = surface(page, "query").bounding_box()
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    page.touchscreen.tap(x, y)
    found = state(page)
    assert found["held"]
    target = found["target"]
    same(shown(page, "other"), made.point("query", target["y"], target["x"]), found["step"])

    # The page has brought both pictures into view.
    box, scrolled = surface(page, "query").bounding_box(), page.evaluate("scrollY")
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    # From the point itself a finger drags it in any direction; from elsewhere downwards it scrolls.
    slide(page, (x, y), (x + 30, y + 60))
    moved = state(page)["target"]
    assert moved["y"] == pytest.approx(target["y"] + 60 / box["height"] * 48, abs=1)
    assert moved["x"] == pytest.approx(target["x"] + 30 / box["width"] * 60, abs=1)
    assert page.evaluate("scrollY") == scrolled
    slide(page, (x + 30, y - 40), (x + 30, y - 140))
    page.wait_for_function("from => scrollY > from + 40", arg=scrolled)
    assert state(page)["target"] == moved

    page.locator("input[name=tool][value=region]").check(force=True)
    page.evaluate("window.calm = 0")
    # Until the finger's last scrolling has come to rest.
    page.wait_for_function(
        "at => { calm = scrollY === at ? calm + 1 : 0; scrollTo(0, at); return calm > 12; }", arg=scrolled
    )
    slide(page, (x - 40, y - 40), (x + 40, y + 40))
    found = state(page)
    top, left, bottom, right = found["target"]["box"]
    mask = np.zeros((48, 60))
    mask[top:bottom, left:right] = 1
    assert mask.sum() > 100
    same(shown(page, "other"), made.region("query", mask), found["step"], found["places"])


def slide(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    session = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    send("touchStart", start)
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        send("touchMove", (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    send("touchEnd")
