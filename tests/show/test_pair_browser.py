"""The pair page in a real browser: what it shows under the pointer is what the pair says in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinsight.explanation import Pair, View
from kinsight.show.pair_page import pair_fragment, pair_html
from kinsight.show.signed_colours import signed_colours
from show.made_pair import matches, pair, planted, view

OPPOSITE = {"query": "other", "other": "query"}
Open = Callable[..., Any]


@pytest.fixture
def made() -> Pair:
    return pair()


@pytest.fixture
def page(open_page: Open, made: Pair) -> Any:
    return open_page(pair_html(made))


def surface(page: Any, side: str) -> Any:
    return page.locator(f"[data-side={side}] .surface")


def hover(page: Any, side: str, down: float, right: float) -> tuple[float, float]:
    """Move the mouse to a share of the picture's height and width; gives that place on the screen."""
    surface(page, side).scroll_into_view_if_needed()
    box = surface(page, side).bounding_box()
    at = (box["x"] + right * box["width"], box["y"] + down * box["height"])
    page.mouse.move(*at)
    return at


def state(page: Any) -> dict[str, Any]:
    return page.evaluate("kinsight.state()")


def shown(page: Any, side: str) -> np.ndarray | None:
    found = page.evaluate("side => kinsight.map(side)", side)
    return None if found is None else np.array(found)


def settled(page: Any) -> Any:
    """The page, drawn: it otherwise waits for the next frame, which a busy machine may leave for later."""
    page.evaluate("kinsight.state()")
    return page


def painted(page: Any, side: str) -> np.ndarray:
    found = page.evaluate("side => kinsight.pixels(side)", side)
    return np.array(found["values"]).reshape(found["size"])


def canvas(page: Any, side: str) -> np.ndarray:
    """(H, W, 4), the colours on the canvas over a picture."""
    read = """node => [node.height, node.width, [...node.getContext("2d").getImageData(0, 0, node.width, node.height).data]]"""
    height, width, values = page.locator(f"[data-side={side}] canvas").evaluate(read)
    return np.array(values).reshape(height, width, 4)


def same(found: np.ndarray | None, expected: np.ndarray, step: float, places: float = 1.0) -> None:
    """Equal to the resolution at which the tensor travels: half a step for each place that was pointed at."""
    assert found is not None
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.501 * step * max(places, 1) + 1e-9


def number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def text(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def shows_overall(page: Any, made: Pair, *, bias: bool = False) -> None:
    for side in ("query", "other"):
        np.testing.assert_allclose(shown(page, side), made.overall(side, bias=bias), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("side", ["query", "other"])
@pytest.mark.parametrize(("down", "right"), [(0.31, 0.62), (0.004, 0.004), (0.995, 0.5), (0.5, 0.97)])
def test_pointing_shows_what_python_says(page: Any, made: Pair, side: str, down: float, right: float) -> None:
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
    colours = signed_colours(painted(page, OPPOSITE[side]), found["limit"]).astype(int)
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
    (added,) = settled(page).locator(".words b").all_inner_texts()
    assert number(added) == pytest.approx(made.overall("query").sum(), abs=6e-4)


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
    row, column = np.unravel_index(answers.argmax(), answers.shape)
    y, x = made.other.drawn_at.centre(row, column)
    ring, box = page.locator("[data-side=other] .answer").bounding_box(), surface(page, "other").bounding_box()
    assert (ring["y"] + ring["height"] / 2 - box["y"]) / box["height"] == pytest.approx((y + 0.5) / 40, abs=0.01)
    assert (ring["x"] + ring["width"] / 2 - box["x"]) / box["width"] == pytest.approx((x + 0.5) / 32, abs=0.01)


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


def test_a_finger_taps_drags_and_still_scrolls(open_page: Open, made: Pair) -> None:
    page = open_page(pair_html(made), width=360, height=640, has_touch=True, is_mobile=True)
    box = surface(page, "query").bounding_box()
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    page.touchscreen.tap(x, y)
    found = state(page)
    assert found["held"]
    target = found["target"]
    same(shown(page, "other"), made.point("query", target["y"], target["x"]), found["step"])

    # From the point itself a finger drags it in any direction; from elsewhere downwards it scrolls.
    slide(page, (x, y), (x + 30, y + 60))
    moved = state(page)["target"]
    assert moved["y"] == pytest.approx(target["y"] + 60 / box["height"] * 48, abs=1)
    assert moved["x"] == pytest.approx(target["x"] + 30 / box["width"] * 60, abs=1)
    assert page.evaluate("scrollY") == 0
    slide(page, (x + 30, y - 40), (x + 30, y - 140))
    page.wait_for_function("scrollY > 40")
    assert state(page)["target"] == moved

    page.evaluate("scrollTo(0, 0)")
    page.locator("input[name=tool][value=region]").check(force=True)
    page.evaluate("scrollTo(0, 0)")
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


def test_warnings_stand_where_they_belong(open_page: Open, made: Pair) -> None:
    assert open_page(pair_html(made)).locator(".notice:visible").count() == 0
    bent = Pair(View(**{**vars(made.query), "affinity_error": 0.2}), made.other)
    assert "a gate was not declared" in open_page(pair_html(bent)).inner_text("[data-out=warnings]")
    wrong = Pair(View(**{**vars(made.query), "whole": made.query.whole * 1.5 + 0.1}), made.other)
    assert "do not add up" in open_page(pair_html(wrong)).inner_text("[data-out=warnings]")
    biased = Pair(view((4, 6), (48, 60), seed=1, bias=40), view((5, 3), (40, 32), seed=2, bias=40))
    assert "all of it is bias" in open_page(pair_html(biased)).inner_text("[data-out=warnings]")


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
    slider = page.locator("input[name=strength]")
    for value, opacity, grey in (("0", "0", "grayscale(0)"), ("100", "1", "grayscale(1)")):
        slider.fill(value)
        page.wait_for_function(
            "wanted => getComputedStyle(document.querySelector('.surface img')).filter === wanted", arg=grey
        )
        assert page.locator(".surface canvas").first.evaluate("node => getComputedStyle(node).opacity") == opacity


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
    assert page.locator(".controls:visible, .hold:visible, .keys:visible").count() == 0
    assert page.locator(".terms:visible").count() == 1
    assert page.locator(".surface canvas:visible").count() == 2
