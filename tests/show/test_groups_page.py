"""The page of the groups: what it shows is what was measured, and it works in a browser."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinsight.show.groups.conclusion import conclusion, spread
from kinsight.show.groups.page import groups_html
from kinsight.show.groups.result import GroupsResult
from kinsight.show.groups.table import groups_table
from show.made_groups import GROUPS, grey, made, of_kind
from show.made_page import Page


def test_only_pictures_that_are_shown_are_read_and_each_once() -> None:
    asked: list[int] = []

    def picture(row: int) -> np.ndarray:
        asked.append(row)
        return grey(row)

    groups_html(made(), picture)
    # The two strongest of every group are the last two.
    assert sorted(asked) == [0, 4, 7, 8]


def test_a_map_lies_where_the_group_looks() -> None:
    page = groups_html(made(top=1), grey)
    looks = re.findall(r'class="look" src="data:image/png;base64,([^"]+)"', page)
    peaks = re.findall(r'class="peak" style="--x:([\d.]+)%;--y:([\d.]+)%"', page)
    assert len(looks) == len(peaks) == GROUPS + 2 * GROUPS
    # The strongest picture of all is number 8: its groups look at column 3 of 5, each at its own row of 4.
    for number in range(GROUPS):
        assert [float(each) for each in peaks[number]] == [70.0, 12.5 + 25 * number]
        with Image.open(io.BytesIO(base64.b64decode(looks[number]))) as image:
            pixels = np.asarray(image.convert("RGBA")).astype(int)
        height, width = pixels.shape[:2]
        assert width / height == pytest.approx(100 / 80, rel=0.05)
        red, green, blue, opacity = pixels[round((0.125 + 0.25 * number) * height), round(0.7 * width)]
        assert opacity > 200
        assert red > green > blue
        veiled = pixels[-1, 0]  # nothing looks there
        assert veiled[:3].max() == 0
        assert 120 < veiled[3] < 255


def test_the_numbers_of_the_page() -> None:
    found = made()
    html = groups_html(found, grey)
    page = Page(html)
    assert page.count("script") == 0
    assert not [each for each in page.references if not each.startswith("data:")]
    assert "birds & co" in page.text
    assert "3 groups of 4 numbers each, 12 together, from an attentive head." in page.text
    assert "9 rendered pictures of 3 classes" in page.text
    assert "R@1 20.0\xa0% alone, 50.0\xa0% with all" in html.replace("&nbsp;", "\xa0")
    assert f"{found.groups.similarity[0, 1]:.2f}" in page.text
    assert found.favourite(0) == ("elsewhere", pytest.approx(7 / 9))
    assert (found.part_of(0, 0), found.part_of(0, 1), found.part_of(1, 0)) == ("crown", "tail", "elsewhere")
    confusion = re.search(r'class="heat confusion">(.*?)</table>', html, re.S)
    assert confusion is not None
    cells = [float(cell) for cell in re.findall(r">([\d.]+)(?:</b>)?</td>", confusion[1])]
    assert cells == pytest.approx((100 * found.parts.shares.T).ravel().tolist(), abs=0.05)  # type: ignore[union-attr]
    assert "at least 2" in page.text
    assert "at least 3" not in page.text  # there are two parts


def test_every_kind_of_map_is_named() -> None:
    says = {"attention": "add up to 100 %", "response": "no attention", "contributions": "shows nothing of itself"}
    for kind, words in says.items():
        page = Page(groups_html(of_kind(kind), grey))
        assert words in page.text
        assert page.count("input", id_="maps-adds") == (kind != "contributions")


def test_without_parts_it_says_why() -> None:
    found = made(parts="parts.csv does not exist: write it")
    page = Page(groups_html(found, grey))
    assert "Not measured: parts.csv does not exist: write it." in page.text
    assert "falls on most" not in page.text
    table = groups_table(found)
    assert "Parts were not measured: parts.csv does not exist: write it." in table
    assert "falls on most" not in table
    assert found.to_dict()["parts"] == {"missing": "parts.csv does not exist: write it"}


def test_the_table_of_the_terminal() -> None:
    said = groups_table(made())
    assert said.startswith("The groups look at different places: two groups share 0.0 % of what they look at")
    lines = said[said.index("9 pictures") :].splitlines()
    assert lines[2].split() == ["all", "groups", "50.0", "%", "[40.0,", "62.5]", "25.0", "%", "[20.0,", "30.0]"]
    assert re.search(r"group 1 .*20\.0 % \[40\.0, 62\.5\] .*elsewhere 77\.8 %", lines[4])
    assert lines[-1].startswith("groups on at least 2 different parts: 22.2 % [")
    assert lines[-1].endswith("of 9 pictures")


def test_in_a_browser(open_page: Callable[..., Any]) -> None:
    html = groups_html(made(), grey)
    page = open_page(html)
    view = page.locator(".tiles .view").first
    look, adds, ring = (view.locator(name) for name in (".look", ".adds", ".peak"))
    assert look.is_visible()
    assert not adds.is_visible()
    # The ring is in the middle of the place that group 0 looks at most in picture 8.
    box, at = view.bounding_box(), ring.bounding_box()
    assert (at["x"] + at["width"] / 2 - box["x"]) / box["width"] == pytest.approx(0.7, abs=0.01)
    assert (at["y"] + at["height"] / 2 - box["y"]) / box["height"] == pytest.approx(0.125, abs=0.01)
    assert box["width"] / box["height"] == pytest.approx(100 / 80, rel=0.02)
    page.locator("#maps-adds").click()
    assert adds.is_visible()
    assert not look.is_visible()
    assert not ring.is_visible()
    page.locator("#maps-none").click()
    assert not adds.is_visible()
    assert not look.is_visible()
    assert view.locator(".ground").evaluate("node => getComputedStyle(node).filter") == "none"
    assert page.locator(".beside li").first.locator(".view").count() == GROUPS + 1
    assert "<script>" in page.locator(".caption").first.inner_text()


def looking(looks: np.ndarray) -> GroupsResult:
    """All groups look so in every picture. (h, w)"""
    found = made()
    everywhere = np.broadcast_to(looks / looks.sum(), found.groups.looks.shape).copy()
    return replace(found, groups=replace(found.groups, looks=everywhere))


def test_a_head_that_attends_everywhere_looks_so() -> None:
    even = np.ones((4, 5))
    bumpy = even + 0.02 * np.random.default_rng(0).random((4, 5))
    for looks in (even, bumpy):
        found = looking(looks)
        assert conclusion(found)[0] == "The groups look everywhere: none of them chooses a place."
        page = groups_html(found, grey)
        (drawn,) = set(re.findall(r'class="look" src="data:image/png;base64,([^"]+)"', page))
        with Image.open(io.BytesIO(base64.b64decode(drawn))) as image:
            assert np.asarray(image.convert("RGBA"))[..., 3].max() < 40  # nearly clear: the picture is as it is
        assert "1.0\N{MULTIPLICATION SIGN} even" in page


def test_the_conclusion_says_whether_groups_differ() -> None:
    point = np.zeros((4, 5))
    point[1, 2] = 1
    said = conclusion(looking(point))
    assert said[0].startswith("The groups look at the same places: two groups share 100.0 % of what they look at")
    assert said[-1] == "Together they find 50.0 % at the first place (R@1), the best alone, group 2, 30.0 %."
    assert spread(point) == pytest.approx(1 / 20)
    assert spread(np.ones((3, 4, 5))) == pytest.approx([1, 1, 1])
    found = looking(point)
    looks = found.groups.looks.copy()
    looks[:, 1] = 1 / 20
    said = conclusion(replace(found, groups=replace(found.groups, looks=looks)))
    assert said[1] == "Group 1 attends nearly everywhere: to 100.0 % of the picture."


def test_rings_lie_inside_tiles_that_are_equal(open_page: Callable[..., Any]) -> None:
    corner = np.zeros((4, 5))
    corner[0, 0] = 1
    shapes = iter(np.full((height, 80, 3), 99, np.uint8) for height in (40, 80, 160, 120, 60, 90))
    page = open_page(groups_html(looking(corner), lambda row: next(shapes)))
    frames = [one.bounding_box() for one in page.locator(".tiles .frame").all()]
    assert len({(round(one["width"]), round(one["height"])) for one in frames}) == 1
    for view, ring in zip(page.locator(".tiles .view").all(), page.locator(".tiles .peak").all(), strict=True):
        inside, at = view.bounding_box(), ring.bounding_box()
        assert at["x"] >= inside["x"]
        assert at["y"] >= inside["y"]


@pytest.mark.long
def test_many_groups_keep_to_the_window(open_page: Callable[..., Any]) -> None:
    few = made()
    times = 6
    many = {name: np.tile(getattr(few.groups, name), (1, times, 1, 1)) for name in ("looks", "contributions")}
    groups = replace(few.groups, vectors=np.tile(few.groups.vectors, (1, times, 1)), **many)
    assert not isinstance(few.parts, str)
    shares, fallen = np.tile(few.parts.shares, (times, 1)), np.tile(few.parts.fallen, (1, times))
    parts = replace(few.parts, shares=shares, fallen=fallen)
    html = groups_html(replace(few, groups=groups, parts=parts, alone=list(few.alone) * times), grey)
    for width in (390, 1280):
        page = open_page(html, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [view.bounding_box() for view in page.locator(".beside li").first.locator(".view").all()]
        assert len(boxes) == times * GROUPS + 1
        assert min(box["width"] for box in boxes) >= 100
        assert max(box["width"] for box in boxes) <= 11 * 16 + 1
