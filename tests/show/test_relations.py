"""Who tells whom: the section of the groups page and the graph of a picture."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from kinsight.show.groups.conclusion import conclusion
from kinsight.show.groups.page import groups_html
from kinsight.show.groups.relations import relation_graph
from kinsight.show.groups.result import GroupsResult
from show.made_groups import COUNT, GROUPS, grey, made
from show.made_page import Page

WEIGHTS = np.array(
    [[0.5, 0.0, 0.25], [0.5, 0.0, 0.75], [0.0, 0.0, 0.0]]
)  # group 1 is told nothing, group 2 says nothing


def related(weights: np.ndarray = WEIGHTS) -> GroupsResult:
    found = made()
    relations = np.tile(weights, (COUNT, 1, 1))
    return replace(found, groups=replace(found.groups, relations=relations, assigned=np.arange(COUNT) % 2))


def test_the_page_has_the_weights_and_a_graph_for_each_shown_picture() -> None:
    found = related()
    html = groups_html(found, grey)
    page = Page(html)
    assert page.count("script") == 0
    table = re.search(r'class="heat told">(.*?)</table>', html, re.S)
    assert table is not None
    cells = [float(cell) for cell in re.findall(r">([\d.]+)</td>", table[1])]
    assert cells[:9] == pytest.approx((100 * WEIGHTS).ravel().tolist())
    assert cells[9:] == pytest.approx([100 * 5 / 9, 100 * 4 / 9, 0], abs=0.06)
    assert html.count('<svg class="relations"') == len(found.shown)
    assert html.count('class="assigned"') == len(found.shown)
    assert "group 0 hears 50 % from group 0; group 1 hears nothing; group 2 hears 75 % from group 1" in html
    plain = groups_html(made(), grey)
    assert "Who tells whom" not in plain
    assert "relations" not in made().to_dict()
    assert found.to_dict()["relations"] == pytest.approx(WEIGHTS)
    assert found.to_dict()["assigned"] == [5, 4, 0]


def test_arrows_are_as_wide_as_what_they_carry() -> None:
    graph = relation_graph(WEIGHTS)
    widths = [float(width) for width in re.findall(r'<path [^>]*stroke-width="([\d.]+)"', graph)]
    assert np.divide(sorted(widths), 9) == pytest.approx([0.25, 0.5, 0.75], abs=0.02)
    assert graph.count('class="own"') == 1
    assert graph.count('class="node"') == GROUPS
    assert relation_graph(np.ones((1, 1))).count("<path") == 0


def test_the_conclusion_says_how_much_is_heard_of_others_and_a_silence() -> None:
    said = conclusion(related())[-1]
    assert said == (
        "Of what a group is told about a picture, 75.0 % comes from other groups, most of it (62.5 %) from group 1."
    )
    assert "tell each other nothing" in conclusion(related(0 * WEIGHTS))[-1]
