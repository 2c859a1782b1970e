"""Pairs under names, such as the groups of an embedding: on the page, and as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinsight.errors import KinsightError
from kinsight.explanation import Pair
from kinsight.show import write_pair
from kinsight.show.pair.page import pair_html
from show.made_page import Page
from show.made_pair import pair

NAMES = ["all groups", "group 0", "group 1"]


def named() -> list[Pair]:
    """A pair as three readings of the same two pictures, of which the last says little."""
    first = pair()
    return [first, Pair(first.query, first.other), pair(seed=4)]


def test_names_stand_for_matches() -> None:
    page = Page(pair_html(named(), names=NAMES))
    assert "The whole embedding and its groups" in page.text
    assert "matches" not in page.text
    assert all(name in page.text for name in NAMES)
    assert sum("data-map" in attributes for _, attributes in page.elements) == 3
    plain = Page(pair_html(named()))
    assert "3 matches" in plain.text
    assert not any("data-map" in attributes for _, attributes in plain.elements)


def test_names_must_fit() -> None:
    for names in (NAMES[:2], ["one", "one", "two"]):
        with pytest.raises(KinsightError, match="do not fit 3 pairs; give each pair a name of its own"):
            pair_html(named(), names=names)


def test_files_are_called_after_their_names(tmp_path: Path) -> None:
    found = write_pair(tmp_path / "pair.npz", named(), names=NAMES)
    assert [file.name for file in found] == ["pair-all-groups.npz", "pair-group-0.npz", "pair-group-1.npz"]
    assert all(file.is_file() for file in found)
    with pytest.raises(KinsightError, match="do not fit 3 pairs"):
        write_pair(tmp_path / "pair.npz", named(), names=["one"])


@pytest.mark.long
def test_choosing_a_group(open_page: Callable[..., Any]) -> None:
    pairs = named()
    page = open_page(pair_html(pairs, names=NAMES))
    assert "the same for all overall maps of this embedding" in page.inner_text("[data-out=legend]")
    limits = []
    for number, name in enumerate(NAMES):
        page.locator(".reel label").nth(number).click()
        page.wait_for_function("n => kinsight.state().match === n", arg=number)
        assert page.locator("figure[data-side=other] .role").inner_text() == f"Other, {name}"
        assert float(page.inner_text("[data-out=similarity]").replace("\N{MINUS SIGN}", "-")) == pytest.approx(
            pairs[number].similarity, abs=6e-4
        )
        limits.append(page.evaluate("kinsight.state().limit"))
    # Each has a scale of its own; those of equal maps are equal.
    assert limits[0] == limits[1]
    assert limits[0] != limits[2]
    painted = page.locator("canvas[data-map]").evaluate_all(
        "all => all.map(each => each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(Boolean))"
    )
    assert painted == [True, True, True]
