"""The atlas: its words, colours and pictures, and walking through it in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinsight.show.atlas.figure import write_atlas_figure
from kinsight.show.atlas.page import atlas_html
from kinsight.show.atlas.pictures import BUDGET, COLUMNS, SIDE, TINY_BYTES, atlas_pictures
from kinsight.show.plane.colours import MOST, class_colours, palette
from kinsight.show.plane.crowding import in_turn, side_by_side
from kinsight.show.plane.layouts import METHODS, places
from show.made_atlas import made

HOSTILE = "</script><img src=x onerror=alert(1)> & \"'"


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize("layout", ["t-SNE", "PCA"])
@pytest.mark.parametrize(
    "vectors", [np.ones((1, 3)), np.ones((20, 3)), np.zeros((9, 1)), np.eye(40)[np.arange(60) % 40]]
)
def test_no_two_pictures_share_a_place(vectors: np.ndarray, layout: str) -> None:
    at, shared = side_by_side(places(vectors, layout))
    assert np.isfinite(at).all()
    apart = np.abs(at[:, None] - at[None]).max(2) + np.eye(len(at)) * 1e9
    assert apart.min() > 0.001 * max(float(np.ptp(at, axis=0).max()), 1e-9)
    # Alone, or all in one place: who shared a place is counted.
    assert shared in (0, len(at)) or len(vectors) == 60


def test_those_that_share_a_place_stay_near_it_and_others_where_they_are() -> None:
    before = np.array([[0.0, 0.0], [1.0, 0.5], [0.0, 0.0], [0.3, 0.1], [0.0, 0.0]])
    at, shared = side_by_side(before)
    assert shared == 3
    np.testing.assert_array_equal(at[[1, 3]], before[[1, 3]])
    assert 0 < np.hypot(*at[4]) < 0.01


def test_few_classes_have_a_colour_each_and_of_many_no_neighbours_share_one() -> None:
    random = np.random.default_rng(0)
    few = np.repeat([f"c{number}" for number in range(MOST)], 2)
    assert len(set(class_colours(few, random.normal(size=(len(few), 2))).values())) == MOST
    many = np.array([f"c{number:03d}" for number in range(3 * MOST)])
    at = random.uniform(0, 1, (len(many), 2))
    colours = class_colours(many, at)
    assert colours == class_colours(many, at)
    held = {colour: [i for i, name in enumerate(many) if colours[name] == colour] for colour in palette(MOST)}
    assert all(len(holders) == 3 for holders in held.values())
    nearest = [np.hypot(*(at[a] - at[b])) for holders in held.values() for a in holders for b in holders if a < b]
    assert min(nearest) > 0.1  # by chance the closest of 90 pairs would be 0.03 apart


def test_pictures_are_read_once_and_bounded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.new("RGB", (8, 20), (255, 0, 0)).save(tmp_path / "b.png")
    found = atlas_pictures([str(tmp_path / "a.png"), "", str(tmp_path / "b.png"), str(tmp_path / "gone.png")])
    assert [bool(text) for text in found.larger] == [True, False, True, False]
    assert max(decoded(found.larger[0]).size) == found.side
    sheet = decoded(found.sheets[0])
    assert sheet.size == (COLUMNS * SIDE, SIDE)
    red = np.asarray(sheet.convert("RGB"))[4:28, 2 * SIDE + 4 : 3 * SIDE - 4]
    assert red[..., 0].min() > 200 > 60 > red[..., 1].max()
    # What 10,000 pictures of any kind may take, as base64, with room for the page itself.
    assert (BUDGET + 10_240 * TINY_BYTES) * 4 / 3 < 38e6


def test_the_page_says_what_it_shows_and_hides_no_script_of_a_table(tmp_path: Path) -> None:
    labels = np.array([HOSTILE] * 4 + ["b"] * 4 + ["c"] * 4)
    found = made(
        tmp_path,
        labels=labels,
        ids=np.array([HOSTILE] * 12),
        source=HOSTILE,
        drawn_from=50,
        classes_drawn_from=9,
        not_finite=1,
    )
    html = atlas_html(found)
    assert "<img src=x" not in html
    assert html == atlas_html(found)
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert data["classes"] == sorted({HOSTILE, "b", "c"})
    assert data["label"] == [data["classes"].index(labels[row]) for row in in_turn(labels)]
    assert (
        "12 of 50 pictures, from 3 of 9 classes (t-SNE). 1 picture is left out, because the embedding is not finite"
        in html
    )
    assert "Each class has a colour of its own" in html
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_a_page_without_files_is_of_dots(tmp_path: Path) -> None:
    html = atlas_html(made(tmp_path, paths=[""] * 12, labels=np.array([f"c{number}" for number in range(12)])))
    assert "All are dots without a picture" in html


def test_the_figure_frames_thumbnails_that_do_not_cover_each_other(tmp_path: Path) -> None:
    found = made(tmp_path)
    write_atlas_figure(tmp_path / "a.png", found, width=600)
    write_atlas_figure(tmp_path / "b.png", found, width=600)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape[1] == 600
    for colour in found.colours.values():
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert (pixels == wanted).all(axis=2).sum() > 4 * 4 * 30 * 2  # four frames a class


def test_methods_have_names() -> None:
    assert list(METHODS) == ["tsne", "umap", "pca"]


@pytest.mark.long
def test_walking(open_page: Callable[..., Any], tmp_path: Path) -> None:
    labels = np.array([HOSTILE] * 4 + ["auklet"] * 4 + ["bobolink"] * 4)
    page = open_page(atlas_html(made(tmp_path, labels=labels)))
    canvas, tip = page.locator("canvas"), page.locator(".tip")
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    picture = "() => document.querySelector('canvas').toDataURL()"
    whole = page.evaluate(picture)
    # Pointing names a picture and shows it larger.
    page.mouse.move(*middle)
    assert tip.locator("strong").text_content() == HOSTILE
    assert (
        page.evaluate(
            "document.querySelector('.tip img').decode().then(() => document.querySelector('.tip img').naturalWidth)"
        )
        > 40
    )
    # The wheel zooms, a drag moves, 0 shows all again.
    page.mouse.wheel(0, -400)
    page.mouse.down()
    page.mouse.move(middle[0] + 200, middle[1] + 40, steps=3)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_function(f"before => ({picture})() !== before", arg=whole)
    canvas.focus()
    page.keyboard.press("0")
    page.wait_for_function(f"before => ({picture})() === before", arg=whole)
    # Arrow keys go from picture to picture, each named.
    seen = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        seen.add(tip.locator("strong").text_content() + tip.locator("span").text_content())
    assert len(seen) > 2
    page.keyboard.press("Enter")
    assert page.locator(".classes [aria-pressed=true] span").text_content() == tip.locator("strong").text_content()
    page.keyboard.press("Escape")
    page.keyboard.press("0")  # what the keys had moved into sight
    assert tip.is_hidden()
    # A part of a name picks classes out; `all` brings the others back.
    page.wait_for_function(f"before => ({picture})() === before", arg=whole)
    page.locator("#search").fill("KLET")
    assert page.locator(".classes li").count() == 1
    assert page.locator(".count").text_content() == "1 of 3 classes"
    page.wait_for_function(f"before => ({picture})() !== before", arg=whole)
    page.locator(".all").click()
    page.wait_for_function(f"before => ({picture})() === before", arg=whole)
    assert page.locator(".classes li").count() == 3
    # The map follows the scheme of the system.
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => ({picture})() !== before", arg=whole)
