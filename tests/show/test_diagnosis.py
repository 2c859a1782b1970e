"""The page and the table of a diagnosis: disagreements first, what depends on no model once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kinsight.explanation.measuring.localization import CENTRE, WHOLE
from kinsight.show import diagnosis_html, diagnosis_table
from kinsight.show.diagnosis.conclusion import conclusion
from kinsight.show.diagnosis.table import number_rows, rows_without_model
from show.made_diagnosis import RUNS, explained, measured
from show.made_page import Page


def test_disagreements_come_first_with_their_classes() -> None:
    text = Page(diagnosis_html(measured(), explained())).text
    assert text.index("Where they disagree") < text.index("What they find")
    assert f"same class: auklet , found more alike by {RUNS[0]}" in text
    assert f"different classes: auklet and a bird with a rather long name , found more alike by {RUNS[1]}" in text
    lines = diagnosis_table(measured(), explained()).splitlines()[2:]
    assert lines[0].split()[:3] == ["judged", "most", "differently"]
    assert "same class: auklet" in lines[2]
    assert lines[2].endswith("+3.1 against -0.4")
    assert lines[3].endswith("+2.9 against +0.2")


def test_the_conclusion_stands_first_and_calls_nothing_better_that_is_not_apart() -> None:
    found = measured()
    text = conclusion(found)
    assert text.startswith(
        f"No model stands apart on unseen classes: P@1 {RUNS[1]} 65.0 % [59.0, 72.0], {RUNS[0]} 60.0 %"
    )
    assert Page(diagnosis_html(found, explained())).text.replace("\u00a0", " ").index(text) < 400
    assert diagnosis_table(found).startswith(text)
    apart = {"precision_at_1": 0.9, "precision_at_1_low": 0.8, "precision_at_1_high": 0.95}
    better = [replace(each, metrics=each.metrics | apart) if each.run == RUNS[0] else each for each in found]
    assert conclusion(better).startswith(f"{RUNS[0]} finds more on unseen classes: P@1 {RUNS[0]} 90.0 % [80.0, 95.0], ")
    same = [replace(each, metrics=each.metrics | apart) for each in found]
    assert conclusion(same).startswith("The models find equally much")


def test_what_depends_on_no_model_stands_once_a_split() -> None:
    page = Page(diagnosis_html(measured(), explained()))
    for method in (WHOLE, CENTRE):
        assert page.text.count(f"{method}: right boxes ") == 2
    of_test = [each for each in measured() if each.split == "test"]
    assert not any(title.startswith((WHOLE, CENTRE)) for title, _ in number_rows(of_test))
    assert all(len(cells) == 1 for _, cells in rows_without_model(of_test))


def test_a_phone_shows_both_models_of_a_pair_at_once(open_page: Callable[..., Any]) -> None:
    page = open_page(diagnosis_html(measured(), explained()), width=390, height=844)
    for pair in page.locator("article.pair").all():
        assert pair.bounding_box()["height"] < 844
        assert [one.inner_text() for one in pair.locator(".model strong").all()] == list(RUNS)
