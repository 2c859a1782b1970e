from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.files import write_json, write_npz, write_text
from kinsight.reading import read_json
from kinsight.runs.ranking import Ranking
from kinsight.show import write_report
from kinsight.show.report.queries import worst_queries
from show.made_page import Page
from show.made_run import make_run

NASTY = "<script>alert(\"x\")</script> & 'co'"
CLASSES = ["auklet", "bobolink", "cardinal", "grebe", "gull", NASTY]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("runs") / "birds <b>", CLASSES, 8, noise=0.8, rendered=True)
    write_report(folder)
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "birds"
    shutil.copytree(whole, copy)
    (copy / "report.html").unlink()
    return copy


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_nothing_outside_is_referred_to(whole: Path) -> None:
    html = (whole / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.references
    outside = [one for one in page.references if not one.startswith(("data:image/", "#"))]
    assert outside == []
    assert all(one[1:] in page.ids for one in page.references if one.startswith("#"))
    assert not re.search(r"url\(|@import|https?://", html)
    assert page.count("link") == 0
    assert not any("src" in attributes for tag, attributes in page.elements if tag == "script")


def test_every_section_is_there_and_linked(whole: Path) -> None:
    page = Page((whole / "report.html").read_text(encoding="utf-8"))
    links = [one[1:] for one in page.references if one.startswith("#")]
    assert links == ["mistakes", "classes", "queries", "map", "curves", "numbers", "space", "how", "again"]
    assert page.count("svg", class_="chart") == 4
    assert page.count("div", class_="queries") == 3
    assert page.count("svg", class_="plane") == 1


def test_numbers_equal_the_stored_ones(whole: Path) -> None:
    page = Page((whole / "report.html").read_text(encoding="utf-8"))
    for name in ("test", "test-untrained"):
        metrics = read_json(whole / "evaluation" / f"{name}.json")["metrics"]
        for key in ("map_at_r", "precision_at_1", "r_precision", "nmi", "recall_at_2"):
            assert f" {100 * metrics[key]:.1f} " in page.text
        assert " ± 1.2 " in page.text
        for key in ("map_at_r", "precision_at_1"):
            assert f"[{100 * metrics[f'{key}_low']:.1f}, {100 * metrics[f'{key}_high']:.1f}]" in page.text
    rows = [attributes["data-metric"] for tag, attributes in page.elements if "data-metric" in attributes]
    assert rows[:2] == ["map_at_r", "precision_at_1"]
    assert sorted(rows) == ["map_at_r", "nmi", "precision_at_1", "r_precision", "recall_at_1", "recall_at_2"]
    for expected in ("9 / 12 / 15", "1.23", "4.2 %", "0.31", "1.98"):
        assert f" {expected} " in page.text


def test_protocol_says_what_moves_a_number(whole: Path) -> None:
    text = Page((whole / "report.html").read_text(encoding="utf-8")).text
    for expected in (
        "resnet50 (linear head, 512 dimensions) trained with the proxy anchor loss on birds (4,704 pictures",
        "4,704 pictures, 75 classes of 41 to 60",
        "24,557,120",
        "proxy-anchor · margin 0.1 · alpha 32",
        "best validation MAP@R (54.7 %), at step 950",
        "NVIDIA H100",
        "5f0c" * 16,
        "torch 2.6.0",
        "kinsight train --recipe recipe.yaml --out",
        "trunk: resnet50",
        "went on from a checkpoint",
    ):
        assert expected in text


@pytest.mark.long
@pytest.mark.parametrize("rendered", [True, False])
def test_rendered_pictures_are_called_rendered(run: Path, rendered: bool) -> None:
    for file in (run / "protocol.json", run / "evaluation" / "test.json"):
        content = read_json(file)
        (content if "data" in content else content["protocol"])["data"]["rendered"] = rendered
        write_json(file, content)
    assert ("Rendered pictures." in page_of(run).text) is rendered


@pytest.mark.long
def test_mistakes_open_their_pages(run: Path) -> None:
    assert "why?" not in page_of(run).text
    first = worst_queries(Ranking.read(run / "evaluation" / "test.npz"))[0]
    write_text(run / "pairs" / f"test-{first}.html", "why")
    write_text(run / "pairs" / "cars-test-3.html", "of another evaluation")
    page = page_of(run)
    (link,) = [one for one in page.references if one.startswith("pairs/")]
    assert (run / link).read_text() == "why"
    assert page.text.count("why?") == 1


def test_names_of_classes_and_runs_are_escaped(whole: Path) -> None:
    html = (whole / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.text.count(NASTY) > 1
    assert page.count("script") == 2  # the map's data and its program
    assert "birds <b>" in page.text
    assert page.count("b", class_="") == 0
    data = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert NASTY in json.loads(data[1])["classes"]


def test_each_neighbour_carries_a_symbol_and_a_word(whole: Path) -> None:
    page = Page((whole / "report.html").read_text(encoding="utf-8"))
    right, wrong = page.count("li", class_="right"), page.count("li", class_="wrong")
    assert right > 0
    assert wrong > 0
    assert right + wrong == 8 * page.classes.count("query")
    assert page.classes.count("query") > 12
    assert len(re.findall("✓ right", page.text)) == right
    assert len(re.findall("✗ wrong", page.text)) == wrong
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")


@pytest.mark.long
@pytest.mark.parametrize(
    ("missing", "anchor"),
    [
        ("metrics.jsonl", "curves"),
        ("protocol.json", None),
        ("recipe.yaml", None),
        ("evaluation/test-untrained.json", None),
        ("evaluation/test.npz", "map"),
        ("evaluation", "numbers"),
    ],
)
def test_a_missing_piece_is_left_out(run: Path, missing: str, anchor: str | None) -> None:
    piece = run / missing
    shutil.rmtree(piece) if piece.is_dir() else piece.unlink()
    page = page_of(run)
    assert "again" in page.ids
    assert anchor not in page.ids
    assert all(one[1:] in page.ids for one in page.references if one.startswith("#"))
    if missing == "evaluation/test-untrained.json":
        assert "untrained" not in page.text.replace("--untrained", "")
        assert "Gain" not in page.text
    if missing == "recipe.yaml":
        assert "kinsight train" not in page.text


@pytest.mark.long
def test_every_evaluation_has_its_command(run: Path) -> None:
    for name in ("validation", "cars-test"):
        write_json(
            run / "evaluation" / f"{name}.json",
            {"name": name, "split": name[-4:] if "-" in name else name, "metrics": {}},
        )
    text = page_of(run).text
    assert "kinsight train --recipe recipe.yaml --out birds kinsight evaluate birds --untrained" in text
    assert "kinsight evaluate birds --split validation recipe.yaml" in text
    assert text.count("kinsight evaluate") == 2


def test_a_run_in_progress_has_a_report(run: Path) -> None:
    shutil.rmtree(run / "evaluation")
    (run / "protocol.json").unlink()
    lines = [line for line in (run / "metrics.jsonl").read_text().splitlines() if '"train"' in line][:1]
    write_text(run / "metrics.jsonl", lines[0] + '\n{"kind": "train", "st')
    page = page_of(run)
    assert page.count("svg", class_="chart") == 3
    assert "nan" not in page.text.lower().split()


def test_lost_pictures_become_placeholders(run: Path) -> None:
    arrays = dict(np.load(run / "evaluation" / "test.npz"))
    arrays["paths"] = np.array([f"/nowhere/{number}.jpg" for number in range(len(arrays["paths"]))])
    write_npz(run / "evaluation" / "test.npz", arrays)
    page = page_of(run)
    pictures = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 9 * page.classes.count("query") > 0
    assert all(one.startswith("data:image/svg+xml") for one in pictures)
    assert page.count("image") == 0
    assert page.count("circle", r="5") == len(arrays["paths"])


@pytest.mark.long
def test_queries_without_anything_to_find_are_passed_over(run: Path) -> None:
    arrays = dict(np.load(run / "evaluation" / "test.npz"))
    arrays["average_precision"][:4] = np.nan
    arrays["neighbours"][:, 3:] = -1
    write_npz(run / "evaluation" / "test.npz", arrays)
    page = page_of(run)
    assert page.count("li", class_="right") + page.count("li", class_="wrong") == 3 * page.classes.count("query") > 0
    assert "MAP@R nan" not in page.text


def test_broken_pieces_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="is not a folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(KinsightError, match="holds none of"):
        write_report(tmp_path / "empty")
    arrays = dict(np.load(run / "evaluation" / "test.npz"))
    write_npz(run / "evaluation" / "test.npz", {**arrays, "neighbours": arrays["neighbours"] + 1000})
    with pytest.raises(KinsightError, match="neighbours points outside"):
        write_report(run)
    write_npz(run / "evaluation" / "test.npz", {**arrays, "scores": arrays["scores"][1:]})
    with pytest.raises(KinsightError, match="scores has shape"):
        write_report(run)
    write_npz(run / "evaluation" / "test.npz", {name: array for name, array in arrays.items() if name != "ids"})
    with pytest.raises(KinsightError, match="has no array ids"):
        write_report(run)
    write_text(run / "metrics.jsonl", '{"kind": "tr\n{"kind": "train", "step": 1, "loss": 1.0}\n')
    with pytest.raises(KinsightError, match="line 1 is not valid JSON"):
        write_report(run)


def test_arrays_with_pickles_are_refused(run: Path) -> None:
    arrays = dict(np.load(run / "evaluation" / "test.npz"))
    arrays["labels"] = np.array([{"a": 1}] * len(arrays["ids"]), dtype=object)
    np.savez(run / "evaluation" / "test.npz", **arrays)
    with pytest.raises(KinsightError, match=r"is not an \.npz of plain arrays .array labels holds Python objects"):
        write_report(run)


def test_the_page_stays_small_whatever_the_pictures(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    # The worst case: every picture takes all the bytes it may, and the map is full.
    from kinsight.show.report import atlas
    from kinsight.show.report import queries as queries_of

    def full(path: str, side: int = 128, limit: int = 8_000) -> str:
        return "data:image/jpeg;base64," + "A" * (4 * limit // 3 + 4)

    generator = np.random.default_rng(0)
    labels = np.repeat(np.array([f"a class with a rather long name {number}" for number in range(60)]), 50)
    rows, queries = len(labels), 100
    ids = np.array([f"{label}/picture_number_{row:06}.jpg" for row, label in enumerate(labels)])
    neighbours = generator.integers(0, rows, (queries, 10))
    arrays = {
        "ids": ids,
        "paths": ids,
        "labels": labels,
        "vectors": generator.normal(size=(rows, 2)).astype(np.float32),
        "query_rows": np.arange(0, rows, rows // queries),
        "neighbours": neighbours,
        "scores": generator.random((queries, 10)),
        "precision_at_1": (labels[neighbours[:, 0]] == labels[:: rows // queries]).astype(float),
        "average_precision": generator.random(queries),
    }
    write_npz(run / "evaluation" / "test.npz", arrays)
    monkeypatch.setattr(queries_of, "thumbnail", full)
    monkeypatch.setattr(atlas, "thumbnail", full)
    monkeypatch.setattr(atlas, "places", lambda vectors, plane: 100 * vectors[:, :2])
    assert 2_000_000 < write_report(run).stat().st_size < 4_000_000
