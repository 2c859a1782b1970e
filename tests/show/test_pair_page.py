from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.explanation import Pair, View
from kinsight.show.pair.data import packed_tensor, page_data
from kinsight.show.pair.page import pair_fragment, pair_html, write_pair_page
from kinsight.show.pair.shown import ShownPair, ShownPairs
from kinsight.show.signed_colours import STEPS, signed_colours, signed_ramp, spotlight_ramp
from show.made_page import Page
from show.made_pair import matches, pair, view

NASTY = "</script><img src=x onerror=alert(1)> & \"'.jpg"

# What sRGB light becomes for an eye that lacks one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
LACKING = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def unpacked(text: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="pairs">(.*?)</script>', page, re.S)
    return json.loads(found[1])


def test_the_tensor_travels_to_half_a_step() -> None:
    tensor = pair().tensor
    text, step = packed_tensor(tensor)
    back = unpacked(text, "<i2", tensor.shape) * step
    assert step == pytest.approx(np.abs(tensor).max() / 32767)
    assert np.abs(back - tensor).max() <= 0.5001 * step


def test_a_tensor_of_zeros_travels() -> None:
    text, step = packed_tensor(np.zeros((2, 2, 2, 2)))
    assert step == 0
    assert not unpacked(text, "<i2", (2, 2, 2, 2)).any()


def test_what_the_page_holds_is_what_the_pair_says() -> None:
    made = pair()
    (found,) = data_of(pair_html(made))["pairs"]
    assert found["similarity"] == made.similarity
    assert found["terms"] == list(made.terms)
    assert (found["completeness"], found["affinity"]) == (made.completeness_error, made.affinity_error)
    for side, each in (("query", made.query), ("other", made.other)):
        packed = found[side]
        assert [tuple(match[side]) for match in found["matches"]] == [getattr(match, side) for match in made.matches()]
        assert (tuple(packed["grid"]), tuple(packed["size"])) == (each.grid, each.size)
        assert packed["aspect"] == each.picture.shape[1] / each.picture.shape[0]
        for field, bias in (("overall", False), ("with_bias", True)):
            expected = made.overall(side, bias=bias)
            np.testing.assert_allclose(unpacked(packed[field], "<f4", each.grid), expected, rtol=1e-6, atol=1e-9)


def test_a_fixed_scale_covers_the_overall_maps_and_nine_in_ten_places() -> None:
    made = pair()
    limits = page_data([made])["pairs"][0]["limits"]
    assert limits["overall"] == max(np.abs(made.overall(side)).max() for side in ("query", "other"))
    assert limits["with_bias"] == max(np.abs(made.overall(side, bias=True)).max() for side in ("query", "other"))
    strongest = [np.abs(made.tensor[i, j]).max() for i in range(4) for j in range(6)]
    strongest += [np.abs(made.tensor[:, :, x, y]).max() for x in range(5) for y in range(3)]
    assert np.mean(np.array(strongest) <= limits["point"]) == pytest.approx(0.9, abs=0.03)


def test_nothing_outside_is_referred_to() -> None:
    text = pair_html(matches())
    page = Page(text)
    assert [one for one in page.references if not one.startswith("#")] == []
    assert not re.search(r"url\(|@import|https?://|\bimport\b", text)
    assert page.count("link") == 0
    assert not any("src" in attributes for tag, attributes in page.elements if tag == "script")


@pytest.mark.parametrize(("grid", "most"), [((14, 14), 200_000), ((28, 28), 1_800_000)])
def test_size_beside_the_pictures(grid: tuple[int, int], most: int) -> None:
    made = Pair(view(grid, (224, 224), seed=1), view(grid, (224, 224), seed=2))
    text = pair_html(made)
    pictures = sum(map(len, data_of(text)["pictures"]))
    assert pictures > 1000
    assert len(text) - pictures < most


def test_each_picture_stands_once() -> None:
    found = data_of(pair_html(matches(3)))
    assert len(found["pictures"]) == 4
    assert [one["query"]["picture"] for one in found["pairs"]] == [0, 0, 0]
    assert all(one.startswith("data:image/jpeg;base64,") for one in found["pictures"])


def test_names_cannot_break_the_page() -> None:
    made = pair()
    named = Pair(View(**{**vars(made.query), "name": f"/a/b/{NASTY}"}), made.other)
    page = Page(pair_html(named, title=f"{NASTY} & more"))
    assert page.count("img", src="x") == 0
    assert page.text.count("onerror=alert(1)") == 2  # as text, in the tab and in the heading
    assert data_of(pair_html(named))["pairs"][0]["query"]["path"] == f"/a/b/{NASTY}"
    assert Page(pair_fragment(named)).count("img") == 0


def test_the_strip_stands_where_there_are_several() -> None:
    several, one = Page(pair_html(matches(3))), Page(pair_html(pair()))
    assert several.count("input", type="radio", name="match") == 3
    assert one.count("input", type="radio", name="match") == 0
    for each in matches(3):
        assert f"{each.similarity:.3f}" in several.text


def test_controls_have_names() -> None:
    page = Page(pair_html(pair()))
    assert page.text.count("Scripts are off.") == 1
    fieldsets, legends = page.count("fieldset"), page.count("legend")
    assert fieldsets == legends == 6
    (slider,) = [attributes for tag, attributes in page.elements if attributes.get("type") == "range"]
    assert slider["aria-label"]
    assert page.count("div", role="application", tabindex="0") == 2


def test_the_title_is_the_heading() -> None:
    assert "Why are these two pictures alike?" in Page(pair_html(pair())).text
    page = Page(pair_html(pair(), title="Two aukletts"))
    assert page.text.count("Two aukletts") == 2  # of the tab and of the page
    assert "query one.jpg and other.png" in Page(pair_html(pair())).text


def test_no_pair_is_refused() -> None:
    for show in (pair_html, pair_fragment):
        with pytest.raises(KinsightError, match="no pair was given"):
            show([])


def test_written_whole(tmp_path: Path) -> None:
    path = write_pair_page(tmp_path / "new" / "pair.html", pair(), title="This")
    assert path.read_text(encoding="utf-8") == pair_html(pair(), title="This")


def test_a_fragment_is_one_frame_that_holds_the_page() -> None:
    page = Page(pair_fragment(pair()))
    assert page.count("iframe") == 1
    assert page.ids == set()
    assert page.count("style") == page.count("script") == 0
    (frame,) = [attributes for tag, attributes in page.elements if tag == "iframe"]
    inner = Page(frame["srcdoc"])
    assert inner.ids == {"pairs", "keys"}
    assert data_of(frame["srcdoc"]) == data_of(pair_html(pair()))
    assert f"similarity {pair().similarity:.3f}" in page.text  # what an untrusted notebook shows


def test_pairs_show_and_save_themselves(tmp_path: Path) -> None:
    several = ShownPairs(ShownPair(one.query, one.other) for one in matches(3))
    assert several[0]._repr_html_() == pair_fragment(several[0])
    assert several[0].swapped()._repr_html_() == pair_fragment(several[0].swapped())
    assert several[1:]._repr_html_() == pair_fragment(several[1:]) != several._repr_html_()
    assert several[:0]._repr_html_() == "<p>No pairs.</p>"
    assert several[0].save(tmp_path / "one.html", title="This").read_text() == pair_html(several[0], title="This")
    written = several[:2].save(tmp_path / "each.npz")
    assert [path.name for path in written] == ["each-1.npz", "each-2.npz"]
    with np.load(written[1]) as arrays:
        np.testing.assert_allclose(arrays["tensor"], several[1].tensor, atol=1e-7)
    with pytest.raises(KinsightError, match="no known kind of file"):
        several.save(tmp_path / "each.pdf")


def of_classes(query: str, *others: str) -> list[Pair]:
    made = matches(len(others))
    asked = replace(made[0].query, label=query)
    return [Pair(asked, replace(one.other, label=label)) for one, label in zip(made, others, strict=True)]


def test_classes_and_right_or_wrong() -> None:
    page = Page(pair_html(of_classes("auklet", "auklet", NASTY)))
    assert "2 matches, best first: 1 of the query's class" in page.text
    assert "✓ right: auklet" in page.text
    assert "✗ wrong: </script>" in page.text
    unknown = Page(pair_html(of_classes("", "auklet", "")))
    assert "auklet" in unknown.text
    assert not any(word in unknown.text for word in ("wrong: ", "right: ", "of the query's class"))
    assert [one["right"] for one in data_of(pair_html(of_classes("a", "a", "b", "")))["pairs"]] == [True, False, None]


def test_colours_are_clear_at_zero_and_grow_with_the_value() -> None:
    ramp = signed_ramp()
    assert ramp.shape == (2 * STEPS + 1, 4)
    assert ramp[STEPS, 3] == 0
    assert (np.diff(ramp[STEPS:, 3].astype(int)) >= 0).all()
    np.testing.assert_array_equal(ramp[::-1, 3], ramp[:, 3])
    warm, cold = ramp[-1].astype(int), ramp[0].astype(int)
    assert warm[0] > warm[2] + 100
    assert cold[2] > cold[0] + 100


def test_a_spotlight_leaves_high_values_as_they_are_and_darkens_the_rest() -> None:
    ramp = spotlight_ramp().astype(int)
    assert ramp[-1, 3] == 0
    assert (ramp[: STEPS + 1, 3] == 255).all()
    assert (np.diff(ramp[STEPS:, 3]) <= 0).all()
    assert ramp[STEPS, :3].max() < 20
    assert ramp[0, 2] > ramp[0, 0] + 100  # negative values are blue


def test_colours_of_values() -> None:
    ramp = signed_ramp()
    found = signed_colours(np.array([[-9.0, -2.0, 0.0], [1.0, 2.0, 3.0]]), 2.0)
    expected = [[ramp[0], ramp[0], ramp[STEPS]], [ramp[STEPS + 128], ramp[-1], ramp[-1]]]
    np.testing.assert_array_equal(found, expected)
    assert not signed_colours(np.zeros((2, 2)), 0.0)[..., 3].any()


@pytest.mark.parametrize("kind", LACKING)
def test_signs_and_grey_are_told_apart_with_any_cones(kind: str) -> None:
    ramp = signed_ramp()
    for share in (0.3, 1.0):
        step = round(STEPS * share)
        strength = ramp[STEPS + step, 3] / 255
        seen = [
            lab(np.array(LACKING[kind]) @ light(strength * ramp[at, :3] + (1 - strength) * 128))
            for at in (STEPS + step, STEPS - step)
        ]
        grey = lab(np.array(LACKING[kind]) @ light(np.full(3, 128.0)))
        assert np.linalg.norm(seen[0] - seen[1]) > 20
        assert min(np.linalg.norm(one - grey) for one in seen) > 8


def light(colour: np.ndarray) -> np.ndarray:
    share = colour / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(matrix @ np.clip(linear, 0, 1) / [0.9505, 1, 1.089], 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_scripts_and_styles_are_not_escaped() -> None:
    text = pair_html(pair())
    assert "window.kinsight = {" in text
    assert ".surface.mapped > img" in text
    assert html.unescape(pair_fragment(pair())).count("window.kinsight = {") == 1
