"""A study as text, Markdown, CSV, LaTeX and a page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from kinsight.show.study import progress
from kinsight.show.study.page import study_html
from kinsight.show.study.table import study_csv, study_latex, study_markdown, study_text
from kinsight.show.study.verdict import study_verdicts
from kinsight.studies.published import read_published
from kinsight.studies.tables import study_table_of
from show import made_study

DONE = study_table_of(made_study.STUDY, made_study.state().finished)
PUBLISHED = [read_published("drml-cub")]


def test_verdicts_say_who_leads_and_what_is_better_than_its_loss_alone() -> None:
    (_, separated), (_, together), *compared = study_verdicts(DONE)
    assert separated.startswith("Separated, DRML, triplet has the highest MAP@R: 31.")
    assert together.startswith("Concatenated, DRML, triplet has the highest MAP@R: 36.")
    assert [side for side, _ in compared] == ["right", "right"]
    assert compared[0][1].startswith("DRML, triplet is better than Triplet: separated, MAP@R +")


def test_the_same_numbers_stand_in_every_format() -> None:
    row = DONE.rows[-1]
    number = row.cells["separated"]["map_at_r"]
    shown = number.text()
    assert shown in study_text(DONE)
    assert shown in study_markdown(DONE)
    half = (number.high - number.low) / 2 if number.high and number.low else 0
    assert f"${100 * number.value:.1f} \\pm {100 * half:.1f}$" in study_latex(DONE)
    lines = list(csv.DictReader(io.StringIO(study_csv(DONE))))
    assert len(lines) == 4 * 2 * 3
    line = next(
        each
        for each in lines
        if (each["method"], each["protocol"], each["metric"]) == (row.name, "separated", "map_at_r")
    )
    assert [float(line[key]) for key in ("value", "value_low", "value_high")] == [number.value, number.low, number.high]
    assert float(line["difference"]) == row.differences["separated"]["map_at_r"].value


def test_published_numbers_stand_apart() -> None:
    for text in (study_text(DONE, PUBLISHED), study_markdown(DONE, PUBLISHED)):
        measured, _, printed = text.partition("Published, not measured here")
        assert "58.6" not in measured
        assert "58.6 ± 0.5" in printed
    assert "58.6" not in study_csv(DONE)


@pytest.mark.parametrize("done", [0, 1, 5, 20])
def test_the_page_of_a_study_that_runs_says_how_far_it_is(done: int) -> None:
    state = made_study.state(done)
    page = study_html(study_table_of(made_study.STUDY, state.finished), state)
    assert f"<strong>{done} of {state.total}</strong>" in page
    assert next(iter(state.running)) in page
    assert 'http-equiv="refresh"' in page
    assert "http://" not in page
    study_text(study_table_of(made_study.STUDY, state.finished))


def test_the_page_of_a_finished_study_rests() -> None:
    page = study_html(DONE, made_study.state(), PUBLISHED)
    assert "refresh" not in page
    assert "jobs are done" not in page
    assert "Published: drml-cub" in page


def test_pages_written_one_training_after_the_other_say_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    state = made_study.state(3)
    told = progress.StudyProgress(made_study.STUDY, tmp_path, state, shown=False)
    told(state)
    (name, begun), *_ = state.running.items()
    state.running.clear()  # as between two jobs where there is one worker
    state.finished[name] = made_study.state().finished[name]
    told(state)
    assert "stopped" not in (tmp_path / "report.html").read_text()
    state.running[name] = begun
    told(state)
    assert f"<strong>4 of {state.total}</strong>" in (tmp_path / "report.html").read_text()
    told.close()
    assert "stopped with" in (tmp_path / "report.html").read_text()
