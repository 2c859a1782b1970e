"""An index from pictures: built, gone on with after a kill, brought up to date, bound to its model, and searched by parts."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kinsight
from killed_runs import killed
from kinsight.api.opened_index import Index
from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours
from kinsight.explanation import Explainer, Pair
from kinsight.explanation.part_query import part_vector
from kinsight.explanation.regions import Region
from kinsight.models import Embedder, ModelSettings, build_embedder
from kinsight.retrieval.regions_given import regions_of
from kinsight.retrieval.store import Store
from tiny_run import SIDE, write_table

REGION = (0.0, 0.0, 20.0, 18.5)


@pytest.fixture(scope="module")
def model() -> Embedder:
    """3 x 3 places, which have a closed form."""
    settings = ModelSettings(trunk="test_resnet", size=96, resize=96, head={"dim": 16})
    return build_embedder(settings, seed=2).eval()


@pytest.fixture(scope="module")
def opened(model: Embedder, pictures: Path) -> Iterator[Index]:
    with made(model, pictures) as index:
        yield index


def made(model: Embedder, pictures: Path, **options: Any) -> Index:
    """An index explained on the last map: to find out whether a finer one is exact takes as long as a search."""
    index = kinsight.index(model, pictures, workers=0, **options)
    index.explainer = Explainer(model, stage=0)
    return index


def table_of(pictures: Path) -> pd.DataFrame:
    table = pd.read_csv(pictures)
    table["path"] = [str(pictures.parent / path) for path in table["path"]]
    return table


def some_of(pictures: Path, folder: Path, count: int = 6, **columns: Any) -> Path:
    """A table in a folder with copies of a few of the pictures."""
    rows = []
    for number, path in enumerate(table_of(pictures)["path"].iloc[::7][:count]):
        shutil.copy(path, folder / f"{number}.png")
        rows.append({"path": f"{number}.png", **{name: values[number] for name, values in columns.items()}})
    return write_table(folder / "table.csv", rows)


def held(index: Index) -> dict[str, np.ndarray]:
    found = {}
    for numbers, vectors in index.store.vectors():
        known = index.store.pictures(numbers.tolist())
        found |= {known[number].listed.id: vector for number, vector in zip(numbers.tolist(), vectors, strict=True)}
    return found


def test_search_finds_what_the_vectors_say(opened: Index, model: Embedder, pictures: Path) -> None:
    table = table_of(pictures)
    vectors = model.encode(table["path"].tolist()).astype(np.float16).astype(np.float32)
    query = table["path"].iloc[8]
    found = opened.search(query, top=5)
    wanted = neighbours(model.encode(query), vectors, k=6)
    ids = [Path(query).parent.name + "/" + Path(query).name]
    assert wanted.indices[0][0] == 8
    assert [hit.id for hit in found] == [pd.read_csv(pictures)["path"].iloc[row] for row in wanted.indices[0][1:]]
    assert [hit.score for hit in found] == pytest.approx(wanted.scores[0][1:].tolist(), abs=1e-3)
    assert ids[0] not in [hit.id for hit in found]
    assert found.held == len(opened) == len(table)
    assert found[0].columns["label"] in set(table["label"])


def test_a_region_query_is_the_sum_of_its_places_against_whole_embeddings(opened: Index, pictures: Path) -> None:
    path = table_of(pictures)["path"].iloc[3]
    found = opened.search(path, region=REGION, top=4)
    (view,) = opened.explainer.views([path])
    assert view.grid == (3, 3)
    assert np.allclose(found.vector, part_vector(view, [Region(REGION)]))
    for hit in found:
        assert hit.view is not None
        assert hit.answers is not None
        exact = found.vector @ hit.view.whole / np.linalg.norm(found.vector) / np.linalg.norm(hit.view.whole)
        assert hit.answers.sum() == pytest.approx(exact, abs=1e-5)
        assert hit.score == pytest.approx(exact, abs=2e-3)
        if hit.answer is not None:
            left, top, right, bottom = hit.answer
            assert 0 <= left < right <= SIDE
            assert 0 <= top < bottom <= SIDE


def test_a_region_of_the_whole_picture_finds_what_the_picture_does(opened: Index, pictures: Path) -> None:
    path = table_of(pictures)["path"].iloc[3]
    plain = opened.search(path, top=6, answers=False)
    for region in (np.ones((SIDE, SIDE)), [f"0,0,{SIDE},9", (0, 9, SIDE, SIDE)]):
        found = opened.search(path, region=region, top=6, answers=False)
        assert [hit.id for hit in found] == [hit.id for hit in plain]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain], abs=1e-5)
    explained = opened.search(path, top=1)
    assert explained[0].view is not None
    assert explained[0].score == pytest.approx(Pair(explained.query, explained[0].view).similarity, abs=1e-3)


def test_what_must_not_count_is_subtracted(opened: Index, pictures: Path, tmp_path: Path) -> None:
    path = table_of(pictures)["path"].iloc[3]
    left, right = (0, 0, SIDE / 2, SIDE), (SIDE / 2, 0, SIDE, SIDE)
    kept = opened.search(path, region=left, answers=False)
    subtracted = opened.search(path, without=right, answers=False)
    assert [hit.id for hit in kept] == [hit.id for hit in subtracted]
    painted = np.zeros((SIDE, SIDE), np.uint8)
    painted[:, SIDE // 2 :] = 255
    Image.fromarray(painted).save(tmp_path / "mask.png")
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    clear[..., 3] = painted
    Image.fromarray(clear, "RGBA").save(tmp_path / "alpha.png")
    for given in (tmp_path / "mask.png", str(tmp_path / "alpha.png")):
        assert np.allclose(opened.search(path, without=given, answers=False).vector, subtracted.vector, atol=1e-5)
    half = opened.search(path, region=left, without=right, without_weight=0.5, answers=False)
    there = part_vector(kept.query, [Region(right)])
    assert np.allclose(half.vector, kept.vector - 0.5 * there, atol=1e-5)
    weighed = opened.search(path, region=f"{tmp_path / 'mask.png'}:2", answers=False)
    assert np.allclose(weighed.vector, 2 * there, atol=1e-5)


def test_conditions_and_the_number_of_hits(opened: Index, pictures: Path) -> None:
    table = table_of(pictures)
    name = str(table["label"].iloc[20])
    found = opened.search(np.zeros((SIDE, SIDE, 3), np.uint8), where=f"label = '{name}'", top=50, answers=False)
    assert {hit.columns["label"] for hit in found} == {name}
    assert len(found) == found.searched == (table["label"] == name).sum()
    with pytest.raises(KinsightError, match="no column of this index; it has: id, label, path, split"):
        opened.search(table["path"].iloc[0], where="colour = 3")
    assert len(opened.search(table["path"].iloc[0], where="label = 'none'")) == 0
    with pytest.raises(KinsightError, match="top is 0"):
        opened.search(table["path"].iloc[0], top=0)


def test_only_what_is_new_or_changed_is_embedded(
    model: Embedder, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = some_of(pictures, tmp_path, camera=list(range(6)))
    seen = []
    added = Store.add
    monkeypatch.setattr(
        Store, "add", lambda self, entries: (seen.extend(one.listed.id for one in entries), added(self, entries))[1]
    )
    index = made(model, table, out=tmp_path / "a.kin", batch_size=4)
    assert seen == [f"{n}.png" for n in range(6)]
    before = held(index)
    seen.clear()
    built = index.update(table, workers=0)
    assert (built.unchanged, seen) == (6, [])
    os.utime(tmp_path / "1.png")  # another time, the same bytes
    Image.new("RGB", (SIDE, SIDE), (9, 99, 9)).save(tmp_path / "2.png")
    Image.new("RGB", (SIDE, SIDE), (99, 9, 9)).save(tmp_path / "new.png")
    rows = [{"path": name, "camera": 7} for name in ("0.png", "1.png", "2.png", "new.png")]
    built = index.update(write_table(table, rows), workers=0)
    assert (built.added, built.changed, built.unchanged, built.removed) == (1, 1, 2, 0)
    assert seen == ["2.png", "new.png"]
    after = held(index)
    assert np.array_equal(after["1.png"], before["1.png"])
    assert not np.array_equal(after["2.png"], before["2.png"])
    assert index.store.known(["0.png"])["0.png"].listed.columns["camera"] == 7
    assert index.update(table, workers=0, prune=True).removed == 3
    assert sorted(held(index)) == ["0.png", "1.png", "2.png", "new.png"]
    assert index.remove("new.png") == 1
    fresh = made(model, write_table(table, rows[:3]))
    (query,) = table_of(pictures)["path"].iloc[:1]
    updated, rebuilt = (one.search(query, answers=False) for one in (index, fresh))
    assert [hit.id for hit in updated] == [hit.id for hit in rebuilt]
    assert [hit.score for hit in updated] == pytest.approx([hit.score for hit in rebuilt])
    with pytest.raises(KinsightError, match="is an index already, of 3 pictures; bring it up to date"):
        kinsight.index(model, table, out=tmp_path / "a.kin", workers=0)


def _build_and_die(model: Path, table: Path, out: Path) -> None:
    added, batches = Store.add, iter(range(3))

    def dying(self: Store, entries: Any) -> None:
        if next(batches) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        added(self, entries)

    Store.add = dying  # type: ignore[method-assign]
    kinsight.index(model, table, out=out, batch_size=2, workers=0)


@pytest.mark.long
def test_a_build_that_was_killed_is_gone_on_with(finished: Path, pictures: Path, tmp_path: Path) -> None:
    table, out = some_of(pictures, tmp_path), tmp_path / "a.kin"
    assert killed(_build_and_die, finished, table, out)
    with kinsight.open_index(out) as half:
        assert len(half) == 4
        assert not half.store.about.complete
    index = kinsight.index(finished, table, out=out, batch_size=2, workers=0)
    assert index.built is not None
    assert (index.built.added, index.built.unchanged) == (2, 4)
    whole = held(kinsight.index(finished, table, batch_size=2, workers=0))
    assert {id_: vector.tolist() for id_, vector in held(index).items()} == {
        id_: vector.tolist() for id_, vector in whole.items()
    }


def test_an_index_is_bound_to_its_model(finished: Path, model: Embedder, pictures: Path, tmp_path: Path) -> None:
    query = table_of(pictures)["path"].iloc[0]
    shutil.copytree(finished / "model", tmp_path / "here" / "model")
    kinsight.index(tmp_path / "here" / "model", [query], out=tmp_path / "here" / "b.kin", workers=0).close()
    sentence = r"holds embeddings of the model \w{12} and the model that was given is \w{12}"
    with pytest.raises(KinsightError, match=sentence):
        kinsight.open_index(tmp_path / "here" / "b.kin", model=model).search(query)
    with pytest.raises(KinsightError, match=sentence):
        kinsight.index(model, pictures, out=tmp_path / "here" / "b.kin", update=True, workers=0)
    # The model and the index may move together, and else somebody says where it is.
    (tmp_path / "here").rename(tmp_path / "there")
    index = tmp_path / "there" / "b.kin"
    digest = kinsight.open_index(index).model.digest()
    (tmp_path / "there" / "model").rename(tmp_path / "model")
    with pytest.raises(KinsightError, match=r"is no longer at .*; say where it is"):
        kinsight.open_index(index).search(query)
    assert kinsight.open_index(index, model=tmp_path / "model").model.digest() == digest
    assert len(kinsight.index(model, [query], workers=0)) == 1


def test_hits_whose_pictures_are_gone_or_changed_say_so(model: Embedder, pictures: Path, tmp_path: Path) -> None:
    index = made(model, some_of(pictures, tmp_path, 4))
    (tmp_path / "1.png").unlink()
    Image.new("RGB", (SIDE, SIDE), (9, 99, 9)).save(tmp_path / "2.png")
    os.utime(tmp_path / "3.png")
    problems = {hit.id: hit.problem for hit in index.search(table_of(pictures)["path"].iloc[1])}
    assert problems["0.png"] == problems["3.png"] == ""
    assert "does not exist" in problems["1.png"]
    assert "has changed since it was indexed" in problems["2.png"]


def test_pictures_that_cannot_be_read(model: Embedder, pictures: Path, tmp_path: Path) -> None:
    table = some_of(pictures, tmp_path, 4)
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "3.png").unlink()
    index = kinsight.index(model, table, workers=0, on_unreadable="skip")
    assert sorted(held(index)) == ["0.png", "1.png"]
    assert index.built is not None
    assert (index.built.added, len(index.built.unreadable)) == (2, 2)
    with pytest.raises(KinsightError, match=r"\.png"):
        kinsight.index(model, table, workers=0)


def test_no_empty_index_is_left_behind(model: Embedder, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "0.png").write_bytes(b"no picture")
    for pictures, options, sentence in (
        ("none", {}, "holds no picture"),
        ("missing", {}, "does not exist"),
        ("bad", {}, r"0\.png"),
        ("bad", {"on_unreadable": "skip"}, r"none of the 1 pictures can be read; the first of them is .*0\.png"),
    ):
        with pytest.raises(KinsightError, match=sentence):
            kinsight.index(model, tmp_path / pictures, out=tmp_path / "a.kin", workers=0, **options)
        assert sorted(os.listdir(tmp_path)) == ["bad", "none"]


def test_pictures_are_cut_to_their_boxes(model: Embedder, pictures: Path, tmp_path: Path) -> None:
    boxes = {"x_1": [2] * 3, "y_1": [3] * 3, "x_2": [30] * 3, "y_2": [34] * 3}
    table = some_of(pictures, tmp_path, 3, **boxes)
    index = made(model, table, crop_to_box=True, dtype="float32")
    cut = np.asarray(Image.open(tmp_path / "1.png"))[3:34, 2:30]
    assert np.allclose(held(index)["1.png"], model.encode(cut)[0], atol=1e-5)
    found = index.search(cut, top=1)
    assert found[0].id == "1.png"
    assert found[0].score == pytest.approx(1, abs=1e-5)
    assert found[0].view is not None
    left, top, right, bottom = found[0].view.window or (0, 0, 0, 0)
    assert (left, right) == pytest.approx((2, 30))
    assert 3 < top < bottom < 34, "the middle of the box, which is higher than wide"


@pytest.mark.long
def test_the_command_line(
    kinsight: Callable[..., Any], finished: Path, pictures: Path, birds: Path, tmp_path: Path
) -> None:
    table, out = some_of(pictures, tmp_path, camera=[0, 0, 1, 1, 2, 2]), tmp_path / "a.kin"
    said = kinsight("index", finished, table, "--out", out, "--workers", 0)
    assert said.code == 0, said.err
    assert f"{out}: 6 added" in said.out
    assert "6 pictures, vectors of 16 numbers (float16) of model" in said.out
    assert "columns for --where: id, path, camera" in said.out
    assert "6 as they were" in kinsight("index", finished, table, "--out", out, "--update", "--workers", 0).out
    said = kinsight("index", "--out", out, "--remove", "5.png", "none.png")
    assert "removed 1 of 2 pictures" in said.out
    assert kinsight("index", "--out", out).out.startswith("5 pictures")
    query = table_of(pictures)["path"].iloc[1]
    parts = ("--region", "0,0,20,20", "10,10,30,30:0.5", "--without", "30,0,36,36", "--where", "camera != 1")
    said = kinsight("search", out, query, *parts, "--out", tmp_path / "hits.html")
    assert said.code == 0, said.err
    assert "2 regions of 1.png without 1 region against 3 of 5 pictures where camera != 1" in said.out
    assert (tmp_path / "hits.html").stat().st_size > 10_000
    said = kinsight("search", birds, query, "--top", 2, "--json", "--no-answers")
    assert said.out.count('"rank"') == 2
    for arguments, sentence in (
        (("search", birds, query, "--region", "5"), "is no region"),
        (("search", birds, tmp_path / "0.png", "--region", "100,0,120,9"), "holds nothing of what the network sees"),
        (("search", birds, tmp_path / "0.png", "--out", "hits.pdf"), "write .html"),
        (("search", finished / "recipe.yaml", tmp_path / "0.png"), "is no index"),
        (("index", finished, "--out", out), "no pictures were given; give both"),
        (("index", finished, table, "--out", out), "is an index already, of 5 pictures"),
        (("index", finished, table, "--out", tmp_path / "b.kin", "--prune"), "prune was given without update"),
    ):
        assert sentence in kinsight(*arguments).sentence


def test_no_regions_are_no_box() -> None:
    assert regions_of([], []) == []
    (one,) = regions_of([1, 2, 3, 4])
    assert one.where == (1, 2, 3, 4)
