"""The verbs that explain: explain, localize, correspond, faithfulness, diagnose."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kinsight as package
from kinsight.data import write_scenes
from kinsight.explanation import Pair
from kinsight.models import load_embedder
from kinsight.training import train
from tiny_run import tiny

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered pictures with boxes, masks and parts: 3 + 3 classes of 4."""
    folder = tmp_path_factory.mktemp("scenes")
    return write_scenes(folder / "scenes", classes=6, per_class=4, size=48, seed=2)


@pytest.fixture(scope="module")
def trained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that may be written into."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("runs") / "trained"))


def _files(pictures: Path) -> list[Path]:
    return sorted(pictures.parent.glob("class_0[01]/*.png"))


@pytest.mark.long
def test_a_pair_becomes_a_page_a_figure_and_arrays(
    kinsight: Call, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    a, b, *_ = _files(pictures)
    for suffix in ("html", "png", "npz"):
        said = kinsight("explain", trained, a, b, "--out", tmp_path / f"pair.{suffix}")
        assert said.code == 0, said.err
    numbers = [float(found) for found in re.findall(r"[+-]\d\.\d{4}", said.out)]
    similarity, terms = numbers[0], numbers[1:]
    assert sum(terms) == pytest.approx(similarity, abs=3e-4)
    vectors = package.load(trained).encode([a, b])
    assert similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-4)
    assert "<html" in (tmp_path / "pair.html").read_text()
    with Image.open(tmp_path / "pair.png") as figure:
        assert figure.size[0] > 300
    with np.load(tmp_path / "pair.npz", allow_pickle=False) as arrays:
        pair = package.explain(trained, a, b)
        np.testing.assert_allclose(arrays["tensor"], pair.tensor, atol=1e-7)
    # Its last map is a single place.
    assert "on the map 1 stage below the model's last, which is smaller than 7 x 7 places" in said.out
    last = kinsight("explain", trained, a, b, "--stage", 0, "--out", tmp_path / "last.npz")
    assert "below the model's last" not in last.out
    assert "1 x 1 and 1 x 1 places" in last.out


@pytest.mark.long
def test_the_best_matches_of_a_picture(kinsight: Call, trained: Path, pictures: Path, tmp_path: Path) -> None:
    a = _files(pictures)[0]
    said = kinsight("explain", trained, a, "--top", 3, "--gallery", pictures, "--out", tmp_path / "matches.html")
    assert said.code == 0, said.err
    pairs = package.explain(trained, a, gallery=pictures, top=3, workers=0)
    scores = [pair.similarity for pair in pairs]
    assert scores == sorted(scores, reverse=True)
    assert all(Path(pair.other.name) != a for pair in pairs)
    for pair in pairs:
        assert f"{pair.similarity:+.4f}" in said.out
        assert pair.completeness_error < 1e-5
    # Loose pictures without labels are a gallery too.
    loose = tmp_path / "loose"
    loose.mkdir()
    for number, file in enumerate(_files(pictures)[1:5]):
        shutil.copy(file, loose / f"{number}.png")
    assert len(package.explain(trained, a, gallery=loose, top=9, workers=0)) == 4


def test_a_pair_shows_itself_in_a_notebook(trained: Path, pictures: Path) -> None:
    a, b, *_ = _files(pictures)
    pair = package.explain(trained, a, b)
    assert isinstance(pair, Pair)
    assert "<iframe" in pair._repr_html_()


def test_trunk_and_head_as_callables(trained: Path, pictures: Path) -> None:
    model = load_embedder(trained / "model")
    a, b, *_ = _files(pictures)
    pair = package.explain(model.trunk, model.head, a, b, preprocessing=model.preprocessing)
    np.testing.assert_allclose(pair.tensor, package.explain(model, a, b, stage=0).tensor, atol=1e-6)
    other = package.explain(model, a, b, other=(model.trunk, model.head), preprocessing=model.preprocessing, stage=0)
    np.testing.assert_allclose(other.tensor, pair.tensor, atol=1e-6)


def test_what_cannot_be_explained_is_said(kinsight: Call, trained: Path, pictures: Path, tmp_path: Path) -> None:
    a, b, c, *_ = _files(pictures)
    assert "3 pictures were given; give two" in kinsight("explain", trained, a, b, c).sentence
    assert "stage 9 does not exist" in kinsight("explain", trained, a, b, "--stage", 9).sentence
    assert "write .html (the page), .png" in kinsight("explain", trained, a, b, "--out", tmp_path / "x.pdf").sentence
    assert "nothing.png" in kinsight("explain", trained, a, tmp_path / "nothing.png").sentence
    assert "top is 0; write 1 or more" in kinsight("explain", trained, a, "--gallery", pictures, "--top", 0).sentence
    empty = tmp_path / "one"
    empty.mkdir()
    shutil.copy(a, empty / "a.png")
    assert "beside the query" in kinsight("explain", trained, empty / "a.png", "--gallery", empty).sentence
    assert "has no layer 'nowhere'" in kinsight("explain", trained, a, b, "--layer", "nowhere").sentence
    with pytest.raises(package.KinsightError, match="1 pictures were given; give two, after the model"):
        package.explain(trained, a)


@pytest.mark.long
def test_localize(kinsight: Call, trained: Path, scenes: Path, tmp_path: Path) -> None:
    said = kinsight(
        "localize", trained, "--data", scenes, "--split", "all", "--stage", 2, "--out", tmp_path / "found.html"
    )
    assert said.code == 0, said.err
    page = (tmp_path / "found.html").read_text()
    assert page.count("<article") == 12
    assert page.split('<p class="lead">')[1][:30] == said.out[:30]
    assert said.out.endswith("found.html\n")
    assert {"decomposition", "grad-cam", "centre", "0.15"} <= set(said.out.split())
    found = json.loads((trained / "maps" / "localization-all-stage-2.json").read_text())
    assert found["pictures"] == 24
    assert found["protocol"]["model"]["digest"] == package.load(trained).digest()
    # The whole picture is right exactly where the box takes up half of what the network sees.
    table = package.read_table(scenes)
    area = (table["x_2"] - table["x_1"]) * (table["y_2"] - table["y_1"]) / 48**2
    whole = found["methods"]["whole picture"]["held_out"]["value"]
    assert whole == pytest.approx((area >= 0.5 - 1e-9).mean(), abs=0.13)
    again = json.loads(
        kinsight(
            "localize",
            trained,
            "--data",
            scenes,
            "--split",
            "all",
            "--partners",
            "itself",
            "--methods",
            "all",
            "--json",
        ).out
    )
    assert again["partners"] == "itself"
    low = kinsight("localize", trained, "--data", scenes, "--split", "all", "--thresholds", 0.01, 0.1, "--json")
    assert json.loads(low.out)["thresholds"] == [0.01, 0.1]
    assert "decomposition clipped" in again["methods"]


def test_both_halves_are_localized_by_themselves(kinsight: Call, trained: Path, scenes: Path) -> None:
    table = package.read_table(scenes)
    for split in ("train", "test"):
        said = kinsight("localize", trained, "--data", scenes, "--split", split, "--methods", "decomposition", "--json")
        assert json.loads(said.out)["pictures"] == (table["split"] == split).sum()
        kept = json.loads((trained / "maps" / f"localization-{split}.json").read_text())
        assert kept["protocol"]["split"] == split


def test_localize_needs_boxes_and_known_names(kinsight: Call, trained: Path, scenes: Path) -> None:
    assert "have no boxes; add the columns x_1" in kinsight("localize", trained).sentence
    wrong = kinsight("localize", trained, "--data", scenes, "--split", "all", "--methods", "magic")
    assert "method 'magic' is not known" in wrong.sentence
    assert "holds no run" in kinsight("localize", scenes).sentence


@pytest.mark.long
def test_correspond(kinsight: Call, trained: Path, scenes: Path, tmp_path: Path) -> None:
    said = kinsight(
        "correspond",
        trained,
        "--data",
        scenes,
        "--split",
        "all",
        "--per_class",
        2,
        "--stage",
        2,
        "--out",
        tmp_path / "parts.html",
    )
    assert said.code == 0, said.err
    assert (tmp_path / "parts.html").read_text().count("<article") == 10
    assert {"PCK@0.1", "PCK@0.2"} <= set(said.out.split())
    found = json.loads((trained / "maps" / "correspondence-all-stage-2.json").read_text())
    row = next(row for row in found["rows"] if row["part"] == "all" and row["alpha"] == 0.2)
    assert row["chance"] < row["nearest place"] <= 1
    assert found["pairs"] == 12


@pytest.mark.long
def test_faithfulness(kinsight: Call, trained: Path, scenes: Path, tmp_path: Path) -> None:
    said = kinsight(
        "faithfulness", trained, "--data", scenes, "--split", "all", "--pairs", 2, "--methods", "decomposition",
        "--sanity", "--stage", 2, "--out", tmp_path / "faithful.html",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert (tmp_path / "faithful.html").read_text().count("<article") == 2
    assert "is not a page" in kinsight("faithfulness", trained, "--out", tmp_path / "faithful.png").sentence
    assert {"deletion", "insertion", "random"} <= set(said.out.split())
    found = json.loads((trained / "maps" / "faithfulness-all-stage-2.json").read_text())
    assert found["pairs"] == 2
    curve = found["curves"]["deletion"]["decomposition"]
    assert curve[0] > curve[-1] - 0.5
    assert found["sanity"]["rows"][0]["correlation"] == pytest.approx(1)
    assert "pairs is 1; write 2 or more" in kinsight("faithfulness", trained, "--pairs", 1).sentence


@pytest.mark.long
def test_diagnose(kinsight: Call, tmp_path: Path, scenes: Path, trained: Path) -> None:
    runs = []
    for loss, miner in (("multi-similarity", "multi-similarity"), ("triplet", "semihard")):
        objective = {"loss": {"name": loss}, "miner": {"name": miner}}
        change = {"objective": objective, "epochs": 1, "data": {"fold": None}}
        train(tiny(scenes, change), tmp_path / loss, progress=False)
        runs.append(tmp_path / loss)
    said = kinsight("diagnose", *runs, "--out", tmp_path / "diagnosis.html", "--pairs", 2)
    assert said.code == 0, said.err
    assert {"multi-similarity", "triplet", "R-precision"} <= set(said.out.split())
    assert "decomposition: right boxes" in said.out
    page = (tmp_path / "diagnosis.html").read_text()
    assert "unseen classes" in page
    assert len(re.findall(r"<article", page)) == 2
    assert page.count('class="peak"') == page.count("answer to the ring") == 2 * 2  # a point map by each run
    assert page.count('<svg class="chart"') == 2  # the threshold curve of both splits, a line for each run and method
    assert page.count('class="line c') == 2 * 2 * 2
    assert "right boxes at threshold" in said.out
    assert re.search(r"decomposition at 0\.3 +\d+\.\d +\d+\.\d", said.out)
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    found = json.loads((tmp_path / "diagnosis.json").read_text())
    assert [(one["run"], one["split"]) for one in found["measured"]] == [
        ("multi-similarity", "train"), ("triplet", "train"), ("multi-similarity", "test"), ("triplet", "test"),
    ]  # fmt: skip
    for pair in found["disagreements"]:
        for run, similarity, error in zip(runs, pair["similarities"], pair["completeness_errors"], strict=True):
            vectors = package.load(run).encode(pair["pictures"])
            assert similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
            assert error < 1e-5
    assert "1 run was given" in kinsight("diagnose", runs[0]).sentence
    assert "different data or splits" in kinsight("diagnose", runs[0], trained).sentence


@pytest.mark.long
def test_matches_are_what_an_evaluation_lets_the_query_find(trained: Path, pictures: Path, tmp_path: Path) -> None:
    table = pd.read_csv(pictures)
    table["path"] = [str(pictures.parent / path) for path in table["path"]]
    table["class_name"] = table["label"].str.replace("class_0", "kind ").str.replace("class_", "kind ")
    of_class = table.groupby("label").cumcount()
    table["camera"] = of_class % 3
    table["sequence"] = of_class // 4 + 2 * table.index // 6
    table["is_query"], table["is_gallery"] = of_class == 0, of_class != 5
    file = tmp_path / "cameras.csv"
    table.to_csv(file, index=False)
    evaluated = package.evaluate(package.load(trained), data=file, clustering=False, diagnosis=False)
    rows = evaluated.query_rows[:3]
    for row, expected in zip(rows, evaluated.neighbours.indices, strict=False):
        found = package.explain(trained, table["path"][row], gallery=file, top=4, workers=0)
        assert [pair.other.name for pair in found] == table["path"].to_numpy()[expected[:4]].tolist()
        assert [pair.other.label for pair in found] == table["class_name"].to_numpy()[expected[:4]].tolist()
        assert [pair.same_class for pair in found] == (table["label"][expected[:4]] == table["label"][row]).tolist()
    # A picture from elsewhere has neither camera nor class.
    elsewhere = Path(shutil.copy(table["path"][0], tmp_path / "elsewhere.png"))
    (found,) = package.explain(trained, elsewhere, gallery=file, top=1, workers=0)
    assert found.other.name == table["path"][0]
    assert found.same_class is None


@pytest.mark.long
def test_the_terminal_says_rank_and_class(kinsight: Call, trained: Path, pictures: Path, tmp_path: Path) -> None:
    said = kinsight(
        "explain", trained, _files(pictures)[0], "--top", 2, "--gallery", pictures, "--out", tmp_path / "m.html"
    )
    assert re.search(r"match 1 of 2: (right|wrong), class_\d\d", said.out)
    assert "fewer than 7 x 7 places" in said.out
