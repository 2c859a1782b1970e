"""Every page in a real browser, on a desk and on a phone, light and dark.

That a page asks for nothing outside and writes no complaint is looked at by `open_page`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from show.made_pages import PAGES, MadePage

Open = Callable[..., Any]
DESK = {"width": 1280, "height": 900, "reduced_motion": "reduce"}
PHONE = {"width": 390, "height": 844, "is_mobile": True, "has_touch": True, "reduced_motion": "reduce"}

# Elements beyond the right edge of the window, but for strips that are meant to be pushed and what is hidden from sight.
BEYOND = """strips => [...document.body.querySelectorAll("*")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > document.documentElement.clientWidth + 1 && !one.closest(`.unseen, ${strips}`) && one.checkVisibility();
}).map(one => one.outerHTML.slice(0, 120))"""

# Texts that their ground swallows: a contrast below 3 (WCAG 2.1, 1.4.3, for large letters).
FAINT = """() => {
  const parsed = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 && !getComputedStyle(at).backgroundColor.startsWith("color")) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !one.checkVisibility() || one.closest("svg, script, style, .unseen, :disabled")) continue;
    const style = getComputedStyle(one);
    if (!style.color.startsWith("rgb(")) continue;
    const [a, b] = [light(parsed(style.color)), light(ground(one))];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 3) found.push(texts.currentNode.data.trim().slice(0, 60));
  }
  return found;
}"""

# How much of an element is in the window: the share of it, or of the window where it is larger.
IN_VIEW = """one => {
  const box = one.getBoundingClientRect();
  const seen = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
  return seen / Math.min(box.height, innerHeight);
}"""


@pytest.fixture(scope="module", params=PAGES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadePage:
    return PAGES[request.param](tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_fits_the_screen_in_light_and_dark(made: MadePage, open_page: Open, screen: dict[str, Any]) -> None:
    page = open_page(made.html, **screen)
    brightness = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
        assert page.evaluate(BEYOND, made.strips) == []
        assert page.evaluate(FAINT) == []
        brightness[scheme] = page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.slice(4))")
    assert brightness["dark"] < 60 < 200 < brightness["light"]
    assert page.locator("h1:visible").count() == 1


def test_the_answer_of_a_tap_is_in_view(made: MadePage, open_page: Open) -> None:
    page = open_page(made.html, **PHONE)
    for tapped, answer in made.taps:
        page.locator(tapped).first.tap(force=True)
        found = page.locator(answer).first
        found.wait_for()
        page.wait_for_timeout(50)
        assert found.evaluate(IN_VIEW) > 0.6, (tapped, answer)
