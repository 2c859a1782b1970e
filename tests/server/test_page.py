"""The page in a real browser: a picture comes in, a part is drawn, a hit is opened and confirmed; on a desk and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import chromium
from kinsight.server.guard import Guard
from kinsight.server.running import listening, made_server
from server.conftest import photograph
from show.test_pages_in_a_browser import BEYOND, FAINT

__all__ = ["chromium"]

DESK = {"viewport": {"width": 1280, "height": 900}}
REFUSED = "the server responded with a status of 400"  # Chromium says so of every refusal
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    """The server, in a thread."""
    server = made_server(Guard(app, names={"localhost"}, any_address=False, token=None))
    with listening("127.0.0.1", 0) as heard:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [heard]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{heard.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def open_it(chromium: Any, address: str) -> Iterator[Any]:
    """Open the page; what it asks outside for and complains of is looked at when the test ends."""
    contexts, problems = [], []

    def opened(**screen: Any) -> Any:
        contexts.append(chromium.new_context(reduced_motion="reduce", **screen))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda one: None if one.url.startswith((address, "blob:", "data:")) else problems.append(one.url)
        )
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in problems if REFUSED not in one] == []


def choose(page: Any, file: Path) -> None:
    page.locator("[data-pick]").first.set_input_files(file)
    page.locator(".hit").first.wait_for()
    page.locator(".hit svg").nth(3).wait_for(state="attached")


def drag(page: Any, *shares: tuple[float, float]) -> None:
    """Over the query, from share to share of its width and height."""
    box = page.locator("#surface").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]
    page.mouse.move(*at[0])
    page.mouse.down()
    for each in at[1:]:
        page.mouse.move(*each)
    with page.expect_response("**/api/search"):
        page.mouse.up()


def first_score(page: Any) -> str:
    page.wait_for_selector("body:not(.waiting)")
    return str(page.locator(".hit .of b").first.inner_text())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.png"
    file.write_bytes(photograph(90, 60, seed=3))
    return file


@pytest.mark.long
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_from_a_picture_to_a_confirmed_match(open_it: Any, mine: Path, screen: dict[str, Any], birds: Path) -> None:
    page = open_it(**screen)
    page.locator("#examples img").first.wait_for()
    choose(page, mine)
    whole = first_score(page)
    drag(page, (0.25, 0.2), (0.5, 0.5), (0.7, 0.8))
    page.wait_for_selector("#marks rect.regions", state="attached")
    part = first_score(page)
    assert part != whole
    page.locator("[data-by=places]").click()
    page.locator("#status:has-text('by the place of each that is most like it')").wait_for()
    assert first_score(page) != part
    page.keyboard.press("a")
    page.locator("[data-by=picture][aria-pressed=true]").wait_for()
    page.wait_for_selector("#status:not(:has-text('by the place'))")
    assert first_score(page) == part
    page.locator("[data-tool=brush]").click()
    page.locator("[data-mode=without]").click()
    drag(page, (0.3, 0.85), (0.6, 0.85))
    page.wait_for_selector("#marks polyline.without", state="attached")
    assert first_score(page) != part
    with page.expect_response("**/api/search"):
        page.locator("#undo").click()
    assert first_score(page) == part
    page.locator(".hit .open").first.click()
    page.frame_locator("#pair").locator("[data-out=similarity]").wait_for()
    assert page.frame_locator("#pair").locator(".hold").get_attribute("aria-pressed") == "true"  # the box is held there
    page.locator("#why-judge .yes").click()
    page.locator("#why-judge .yes[aria-pressed=true]").wait_for()
    page.locator("#close").click()
    page.locator(".hit .yes[aria-pressed=true]").first.wait_for()
    assert ",1,birds.judged/" in birds.with_name("birds.judgements.csv").read_text().splitlines()[-1]
    page.locator(".hit .yes").first.click()  # taken back
    page.locator(".hit .yes[aria-pressed=false]").first.wait_for()
    page.locator("#clear").click()
    page.wait_for_selector("#marks:not(:has(rect))", state="attached")
    assert first_score(page) == whole


@pytest.mark.long
def test_what_is_said_while_an_answer_is_on_its_way_stays(open_it: Any, mine: Path) -> None:
    page = open_it(**DESK)
    page.locator("#examples img").first.wait_for()
    choose(page, mine)
    held: list[Any] = []
    page.route("**/api/search", lambda route: route.continue_() if held else held.append((route, route.fetch())))
    page.keyboard.press("a")
    while not held:
        page.wait_for_timeout(20)
    page.locator(".hit .yes").first.click()
    page.locator(".hit .yes[aria-pressed=true]").wait_for()
    route, answer = held[0]
    route.fulfill(response=answer)
    page.locator("#status:has-text('by the place of each')").wait_for()
    assert page.locator(".hit .yes[aria-pressed=true]").count() == 1
    page.locator(".hit .yes[aria-pressed=true]").click()  # taken back
    page.locator(".hit .yes[aria-pressed=true]").wait_for(state="detached")


@pytest.mark.long
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_fits_the_screen_in_light_and_dark(open_it: Any, mine: Path, screen: dict[str, Any]) -> None:
    page = open_it(**screen)
    page.locator("#examples img").first.wait_for()
    for step in ("begin", "found", "why"):
        if step == "found":
            choose(page, mine)
        if step == "why":
            page.locator(".hit .open").first.click()
            page.locator("#pair:not([hidden])").wait_for()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= screen["viewport"]["width"]
            assert page.evaluate(BEYOND, "none") == []
            assert page.evaluate(FAINT) == []


@pytest.mark.long
def test_keys_filters_and_what_is_refused(open_it: Any, mine: Path, tmp_path: Path) -> None:
    page = open_it(**DESK)
    page.locator("#examples button").first.click()
    page.locator(".hit svg").first.wait_for()
    page.keyboard.press("o")
    assert not page.locator(".hit svg").first.is_visible()
    page.keyboard.press("o")
    page.locator("#surface").focus()
    page.keyboard.press("ArrowRight")
    with page.expect_response("**/api/search"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#marks rect.regions", state="attached")
    page.locator(".hit dd button").first.click()
    page.wait_for_selector("#status:has-text(' of ')")
    asked = page.locator("#where")
    assert " = " in asked.input_value()
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no picture")
    page.locator("[data-pick]").first.set_input_files(wrong)
    page.locator("#problem:has-text('no picture that can be read')").wait_for()
