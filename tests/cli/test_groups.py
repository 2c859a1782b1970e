"""The verb groups, and what the other verbs do with single groups."""

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
import torch

import kinsight as package
from grouped_run import GROUPS, grouped
from kinsight.api.embed import pictures_table
from kinsight.data import write_scenes
from kinsight.errors import KinsightError
from kinsight.models import Embedder
from kinsight.pictures.decoding import open_picture
from kinsight.runs.folder import RunFolder
from tiny_run import PER_CLASS

__all__ = ["grouped"]

Call = Callable[..., Any]
NONE = "this model has a single embedding a picture; train one with --model.head attentive"


@pytest.fixture(scope="module")
def trained(grouped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run that may be written into."""
    return Path(shutil.copytree(grouped, tmp_path_factory.mktemp("runs") / "trained"))


@pytest.fixture(scope="module")
def model(grouped: Path) -> Embedder:
    return package.load(grouped)


def files_of(pictures: Path) -> list[Path]:
    """Those of the test classes."""
    return sorted(file for file in pictures.parent.glob("class_*/*.png") if int(file.parent.name[-2:]) >= 6)


def parts_of(model: Embedder, files: list[Path]) -> np.ndarray:
    """(N, P, d), straight from the head."""
    images = torch.stack([model.preprocessing.transform()(open_picture(file)) for file in files])
    with torch.no_grad():
        return model(images).parts.numpy()


@pytest.mark.long
def test_groups_writes_a_page_and_its_numbers(
    kinsight: Call, trained: Path, model: Embedder, pictures: Path, tmp_path: Path
) -> None:
    said = kinsight("groups", trained, "--out", tmp_path / "groups.html", "--top", 4)
    assert said.code == 0, said.err
    assert f"page: {tmp_path / 'groups.html'}" in said.out
    assert "Parts were not measured:" in said.out
    page = (tmp_path / "groups.html").read_text()
    assert "Not measured:" in page
    assert (
        page.count('class="view attended"') == 3 * 4 + 6 * 3 + 2 * 5 * 3
    )  # strongest, beside one another, two of them moved
    found = json.loads((tmp_path / "groups.json").read_text())
    assert (found["groups"], found["dimensions"], found["maps"], found["head"]) == (
        GROUPS,
        15,
        "attention",
        "attentive",
    )
    assert "missing" in found["parts"]
    files = files_of(pictures)
    parts = parts_of(model, files)
    labels = np.array([file.parent.name for file in files])
    options: dict[str, Any] = {"k": (1,), "clustering": False, "diagnosis": False, "whole_gallery": False}
    for number, alone in enumerate(found["alone"]):
        assert alone["metrics"] == pytest.approx(dict(package.evaluate(parts[:, number], labels, **options)), abs=1e-6)
        assert len(alone["strongest"]) == 4
        value = f"{100 * alone['metrics']['map_at_r']:.1f}"
        assert re.search(rf"group {number} .*{value} % \[", said.out)
    assert found["whole"] == pytest.approx(dict(package.evaluate(parts.reshape(len(parts), -1), labels, **options)))
    cosines = np.einsum("npd,nqd->pq", parts, parts) / len(parts)
    assert np.array(found["similarity"]) == pytest.approx(cosines, abs=1e-5)
    others = (cosines.sum(1) - 1) / (GROUPS - 1)
    assert [each["mean_similarity_to_others"] for each in found["alone"]] == pytest.approx(others, abs=1e-5)
    assert found["protocol"]["split"] == "test"
    assert found["protocol"]["evaluation"]["queries"] == len(files)


@pytest.mark.slow
def test_several_runs_stand_side_by_side(kinsight: Call, trained: Path, finished: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(trained, tmp_path / "other"))
    said = kinsight("groups", trained, other, "--shown", 2, "--out", tmp_path / "beside.html")
    assert said.code == 0, said.err
    assert re.search(r"trained +attentive +\d", said.out)
    assert re.search(r"other +attentive +\d", said.out)
    page = (tmp_path / "beside.html").read_text()
    assert page.count('class="by-run"') == 2
    assert (
        page.count('class="view attended"') == 2 * 2 * GROUPS + 2 * 5 * GROUPS
    )  # the same pictures, and one of them moved
    one, two = json.loads((tmp_path / "beside.json").read_text())["runs"]
    assert (one["run"], two["run"]) == ("trained", "other")
    assert one["alone"] == two["alone"]
    assert all(0 <= each["moved"]["followed_of"][0] <= each["moved"]["followed_of"][1] <= 8 for each in one["alone"])
    assert NONE in kinsight("groups", trained, finished).sentence
    scenes = write_scenes(tmp_path / "scenes", classes=8, per_class=4, size=48, seed=2)
    (other / "recipe.yaml").write_text(
        (other / "recipe.yaml").read_text().replace(RunFolder(other).settings()["data"]["path"], str(scenes))
    )
    (other / "protocol.json").unlink()
    assert "trained on different data or splits" in kinsight("groups", trained, other).sentence


@pytest.mark.long
@pytest.mark.parametrize("parts_by", ["points", pytest.param("masks", marks=pytest.mark.slow)])
def test_groups_against_parts(kinsight: Call, trained: Path, tmp_path: Path, parts_by: str) -> None:
    scenes = write_scenes(tmp_path / "scenes", classes=4, per_class=4, size=48, seed=2)
    out = tmp_path / "parts.html"
    asked = ["--parts", "points"] if parts_by == "points" else []  # masks, where there are any, without being asked
    said = kinsight("groups", trained, "--data", scenes, "--split", "all", "--out", out, "--limit", 12, *asked)
    assert said.code == 0, said.err
    found = json.loads((tmp_path / "parts.json").read_text())
    parts = found["parts"]
    shares = np.array(parts["shares"])
    assert parts["names"][-1] == "elsewhere"
    assert shares.shape == (GROUPS, len(parts["names"]))
    assert shares.sum(1) == pytest.approx(np.ones(GROUPS))
    assert parts["by"] == parts_by
    assert parts.get("reach_of") == {"points": "the longer side of the object's box"}.get(parts_by)
    assert ("the part that is seen where its" in out.read_text()) == (parts_by == "masks")
    assert set(parts["at_least_so_many_different"]) == {"2", "3"}
    share = parts["at_least_so_many_different"]["2"]["value"]
    assert f"groups on at least 2 different parts: {100 * share:.1f}" in said.out
    for number, alone in enumerate(found["alone"]):
        assert alone["its_share"] == shares[number].max()
        assert f"{alone['most_frequent_part']} {100 * alone['its_share']:.1f} %" in said.out
        assert len(alone["strongest"]) == found["pictures"] == 12
        # All pictures are listed here, so that the parts of each make up the shares.
        listed = [each["part"] for each in alone["strongest"]]
        assert [listed.count(name) / 12 for name in parts["names"]] == pytest.approx(shares[number].tolist())


@pytest.mark.slow
def test_parts_without_boxes_are_measured_by_the_picture(kinsight: Call, trained: Path, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "scenes", classes=2, per_class=3, size=48, seed=2)
    table = scenes / "metadata.csv"
    pd.read_csv(table).drop(columns=["x_1", "y_1", "x_2", "y_2"]).to_csv(table, index=False)
    said = kinsight(
        "groups", trained, "--data", scenes, "--split", "all", "--out", tmp_path / "parts.html", "--parts", "points"
    )
    assert said.code == 0, said.err
    assert "the data have no boxes" in json.loads((tmp_path / "parts.json").read_text())["parts"]["reach_of"]
    assert "the data have no boxes" in (tmp_path / "parts.html").read_text()


@pytest.mark.long
def test_pictures_that_cannot_be_measured_are_counted(kinsight: Call, trained: Path, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "scenes", classes=2, per_class=4, size=48, seed=2)
    points = pd.read_csv(scenes / "parts.csv")
    gone = points["path"].unique()[:3]
    points[~points["path"].isin(gone)].to_csv(scenes / "parts.csv", index=False)
    said = kinsight(
        "groups", trained, "--data", scenes, "--split", "all", "--out", tmp_path / "parts.html", "--parts", "points"
    )
    assert said.code == 0, said.err
    assert "of 5 of 8 pictures" in said.out
    found = json.loads((tmp_path / "parts.json").read_text())
    assert (found["pictures"], found["parts"]["pictures"]) == (8, 5)
    for alone in found["alone"]:
        assert len([each for each in alone["strongest"] if "part" in each]) == 5
    assert "Percent of 5 of 8 pictures with a visible part and a box" in (tmp_path / "parts.html").read_text()


@pytest.mark.long
def test_what_was_drawn_and_what_cannot_search_is_said(kinsight: Call, trained: Path, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "scenes", classes=3, per_class=4, size=48, seed=2)
    page = tmp_path / "groups.html"
    drawn = kinsight("groups", trained, "--data", scenes, "--split", "all", "--out", page, "--limit", 4, "--top", 9)
    found = json.loads(page.with_suffix(".json").read_text())
    skipped = int(found["whole"]["skipped_queries"])
    assert "pictures: drawn from 12 by the seed 0" in drawn.out
    assert skipped > 0
    assert f"{skipped} of them do not search, since no other picture of their class is there" in drawn.out
    assert "drawn from 12 by the seed 0" in page.read_text()
    assert "4 of 4, the strongest first" in page.read_text()
    whole = kinsight("groups", trained, "--data", scenes, "--split", "all", "--out", page, "--limit", 100)
    assert whole.code == 0
    assert "drawn from 12" not in whole.out + page.read_text()


def test_what_has_no_groups_is_refused(kinsight: Call, finished: Path, pictures: Path, tmp_path: Path) -> None:
    a, b, *_ = files_of(pictures)
    assert NONE in kinsight("groups", finished, "--out", tmp_path / "groups.html").sentence
    assert NONE in kinsight("evaluate", finished, "--groups").sentence
    assert NONE in kinsight("embed", finished, pictures, "--out", tmp_path / "x.npz", "--group", 0).sentence
    assert NONE in kinsight("explain", finished, a, b, "--groups", "--out", tmp_path / "pair.html").sentence
    assert NONE in kinsight("explain", finished, a, b, "--group", 0).sentence
    assert not list(tmp_path.iterdir())


def test_wrong_values_are_refused(kinsight: Call, grouped: Path, pictures: Path, tmp_path: Path) -> None:
    a, b, *_ = files_of(pictures)
    out = tmp_path / "groups.html"
    assert "top is 0; write 1 or more" in kinsight("groups", grouped, "--out", out, "--top", 0).sentence
    assert "limit is -1; write 1 or more" in kinsight("groups", grouped, "--out", out, "--limit", -1).sentence
    assert "ends in .html" in kinsight("groups", grouped, "--out", tmp_path / "groups.json").sentence
    for command in (["embed", grouped, pictures, "--out", tmp_path / "x.npz"], ["explain", grouped, a, b]):
        said = kinsight(*command, "--group", 3)
        assert "group 3 does not exist; this model has the groups 0 to 2" in said.sentence
    assert (
        "groups cannot be given with vectors; leave it out"
        in kinsight("evaluate", "--embeddings", "x.npz", "--groups").sentence
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_evaluate_each_group(kinsight: Call, trained: Path, model: Embedder, pictures: Path) -> None:
    said = kinsight("evaluate", trained, "--groups", "--untrained", "--k", 1, 2)
    assert said.code == 0, said.err
    head = next(line for line in said.out.splitlines() if line.startswith("test"))
    assert re.split(r"\s{2,}", head) == ["test", "trained", "group 0", "group 1", "group 2", "untrained"]
    files = files_of(pictures)
    labels = np.array([file.parent.name for file in files])
    parts = parts_of(model, files)
    for number in range(GROUPS):
        record = json.loads((trained / "evaluation" / f"test-group-{number}.json").read_text())
        metrics = package.evaluate(parts[:, number], labels, k=(1, 2))
        assert record["metrics"]["map_at_r"] == pytest.approx(metrics["map_at_r"])
        assert record["metrics"]["queries"] == 6 * PER_CLASS
        assert (record["protocol"]["model"]["group"], record["protocol"]["model"]["dim"]) == (number, 5)
        with np.load(trained / "evaluation" / f"test-group-{number}.npz", allow_pickle=False) as arrays:
            np.testing.assert_allclose(arrays["vectors"], parts[:, number], atol=1e-5)
    report = (trained / "report.html").read_text()
    assert "test-group-2 (test split)" in report
    assert "--untrained --groups" in report
    flat = json.loads(kinsight("evaluate", trained, "--groups", "--json").out)
    record = json.loads((trained / "evaluation" / "test-group-1.json").read_text())
    assert {key: flat[f"group_1_{key}"] for key in record["metrics"]} == record["metrics"]
    assert flat["map_at_r"] == json.loads((trained / "evaluation" / "test.json").read_text())["metrics"]["map_at_r"]


def test_embed_one_group(kinsight: Call, grouped: Path, model: Embedder, pictures: Path, tmp_path: Path) -> None:
    said = kinsight("embed", grouped, pictures, "--out", tmp_path / "e.npz", "--group", 2, "--workers", 0)
    assert said.code == 0, said.err
    assert "embeddings of group 2 of 5 dimensions" in said.out
    paths = [Path(path) for path in pictures_table(pictures)["path"]]
    with np.load(tmp_path / "e.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["vectors"], parts_of(model, paths)[:, 2], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(arrays["vectors"], axis=1), 1, atol=1e-6)


@pytest.mark.long
def test_explain_by_group(kinsight: Call, grouped: Path, pictures: Path, tmp_path: Path) -> None:
    a, b, *_ = files_of(pictures)
    said = kinsight("explain", grouped, a, b, "--groups", "--out", tmp_path / "pair.html")
    assert said.code == 0, said.err
    pair = package.explain(grouped, a, b)
    for number, each in enumerate(pair.groups):
        assert re.search(rf"group {number} +\{each.similarity:+.4f}", said.out)
        assert package.explain(grouped, a, b, group=number).similarity == pytest.approx(each.similarity, abs=1e-6)
    for wrong in ("x", True, 1.0):
        with pytest.raises(KinsightError, match=f"group {wrong!r} does not exist; this model has the groups 0 to 2"):
            package.explain(grouped, a, b, group=wrong)
    page = (tmp_path / "pair.html").read_text()
    data = json.loads(re.search(r'id="pairs">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert data["names"] == ["all groups", "group 0", "group 1", "group 2"]
    wanted = [pair.similarity, *(each.similarity for each in pair.groups)]
    assert [each["similarity"] for each in data["pairs"]] == pytest.approx(wanted, abs=1e-6)
    assert kinsight("explain", grouped, a, b, "--groups", "--out", tmp_path / "p.npz").code == 0
    names = {file.name for file in tmp_path.glob("*.npz")}
    assert names == {"p-all-groups.npz", "p-group-0.npz", "p-group-1.npz", "p-group-2.npz"}


@pytest.mark.long
def test_search_with_one_group(kinsight: Call, grouped: Path, model: Embedder, pictures: Path, tmp_path: Path) -> None:
    query, *rest = files_of(pictures)
    vectors = parts_of(model, [query, *rest])[:, 1]
    cosines = vectors[1:] @ vectors[0]
    found = package.explain(grouped, query, gallery=rest, top=3, group=1, workers=0)
    assert [pair.similarity for pair in found] == pytest.approx(np.sort(cosines)[::-1][:3].tolist(), abs=1e-5)
    best = int(cosines.argmax())
    assert found[0].other.name == str(rest[best])
    said = kinsight(
        "explain", grouped, query, "--gallery", pictures, "--top", 2, "--groups", "--out", tmp_path / "m.html"
    )
    assert said.code == 0, said.err
    page = (tmp_path / "m.html").read_text()
    assert {"match 1", "match 2 group 2"} <= set(re.findall(r'class="rank">([^<]*)<', page))
