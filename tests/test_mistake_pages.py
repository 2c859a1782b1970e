"""The pages of the worst mistakes of an evaluation."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from kinsight.api.mistake_pages import write_mistake_pages
from kinsight.files import write_text
from kinsight.models import build_embedder
from kinsight.runs.folder import RunFolder
from kinsight.show import write_report
from show.made_run import make_run
from tiny_run import tiny


@pytest.mark.long
def test_each_of_the_worst_mistakes_has_a_page_that_the_report_opens(tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path / "birds", ["auklet", "bobolink", "great_egret"], 8, noise=2.0))
    model = build_embedder(tiny(tmp_path).model, seed=0)
    write_text(run.pairs / "test-999.html", "of an earlier evaluation")
    write_mistake_pages(run, "test", model, 3)
    report = write_report(run.path).read_text(encoding="utf-8")
    pages = run.mistake_pages("test")
    assert len(pages) == 3
    assert 999 not in pages
    assert sorted(re.findall(r'href="?(pairs/[^" >]+)', report)) == sorted(
        f"pairs/{page.name}" for page in pages.values()
    )
    ranking = run.evaluations.ranking("test")
    assert ranking is not None
    for query, page in pages.items():
        asked, first = (ranking.titles[row] for row in (ranking.query_rows[query], ranking.neighbours[query, 0]))
        title = f"Why is this {asked} taken for {first}?".replace("_", " ")
        html = page.read_text(encoding="utf-8")
        assert f"<h1>{title}</h1>" in html
        own = (ranking.labels[ranking.neighbours[query, :3]] == asked).sum()
        assert f"3 matches, best first: {own} of the query's class" in unescape(html)
    write_mistake_pages(run, "test", model, 0)
    assert run.mistake_pages("test") == {}


def test_pictures_that_have_moved_leave_their_pages_out(tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path / "birds", ["auklet", "bobolink"], 6, noise=2.0))
    for picture in (tmp_path / "pictures").iterdir():
        picture.unlink()
    write_mistake_pages(run, "test", build_embedder(tiny(tmp_path).model, seed=0), 3)
    assert run.mistake_pages("test") == {}
