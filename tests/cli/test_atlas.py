"""kinsight atlas: of a run, of files of embeddings with and without pictures, and what cannot be laid out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinsight as package
from kinsight.show.plane import layouts

Call = Callable[..., Any]


def data_of(page: Path) -> dict[str, Any]:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])  # type: ignore[index]


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    def write(vectors: np.ndarray, **arrays: np.ndarray) -> Path:
        np.savez(tmp_path / "e.npz", vectors=vectors.astype(np.float32), **arrays)
        return tmp_path / "e.npz"

    return write


@pytest.mark.long
def test_a_run_as_a_page_and_as_a_figure(kinsight: Call, finished: Path, tmp_path: Path) -> None:
    words = ("atlas", finished, "--method", "pca")
    said = kinsight(*words, "--out", tmp_path / "a.html")
    assert said.code == 0, said.err
    assert said.out.startswith("36 pictures of 6 classes (PCA). Each class has a colour of its own.\n")
    assert "page: " in said.out
    data = data_of(tmp_path / "a.html")
    assert data["classes"] == [f"class_{number:02d}" for number in range(6, 12)]
    assert all(data["lengths"])
    first = (tmp_path / "a.html").read_bytes()
    assert kinsight(*words, "--out", tmp_path / "a.html").code == 0
    assert (tmp_path / "a.html").read_bytes() == first
    said = kinsight(*words, "--limit", 13, "--out", tmp_path / "b.html")
    assert said.out.startswith("13 of 36 pictures, from 3 of 6 classes (PCA)")
    said = kinsight(*words, "--out", tmp_path / "a.png")
    assert "figure: " in said.out
    assert Image.open(tmp_path / "a.png").size[0] == 3000


def test_a_file_of_embeddings_finds_its_pictures_in_a_table_or_by_its_ids(
    kinsight: Call, pictures: Path, stored: Callable[..., Path], tmp_path: Path
) -> None:
    ids = np.array([f"class_{kind:02d}/{number}.png" for kind in (3, 1, 2) for number in range(4)])
    file = stored(np.random.default_rng(0).normal(size=(12, 5)), ids=ids)
    out = tmp_path / "a.html"
    said = kinsight("atlas", file, "--data", pictures, "--out", out)
    assert said.code == 0, said.err
    data = data_of(out)
    assert data["classes"] == ["class_01", "class_02", "class_03"]
    assert all(data["lengths"])
    assert {
        data["classes"][label] for label, name in zip(data["label"], data["name"], strict=True) if "01/" in name
    } == {"class_01"}
    # Without a table ids are files, if there are such; without classes there is one.
    assert kinsight("atlas", file, "--out", out).code == 0
    assert data_of(out)["classes"] == ["no class given"]
    assert not any(data_of(out)["lengths"])
    file = stored(
        np.ones((2, 5)), ids=np.array([str(pictures.parent / name) for name in ids[:2]]), labels=np.array([1, 2])
    )
    assert kinsight("atlas", file, "--out", out).code == 0
    assert all(data_of(out)["lengths"])
    missing = stored(np.ones((2, 5)), ids=np.array(["gone.png", ids[0]]))
    assert "has no picture 'gone.png'" in kinsight("atlas", missing, "--data", pictures, "--out", out).sentence
    assert (
        "has 2 vectors without ids"
        in kinsight("atlas", stored(np.ones((2, 5))), "--data", pictures, "--out", out).sentence
    )


@pytest.mark.parametrize("vectors", [np.ones((1, 4)), np.zeros((30, 4)), np.ones((12, 1)), np.full((20, 3), 1e30)])
def test_degenerate_embeddings_are_laid_out(
    kinsight: Call, stored: Callable[..., Path], tmp_path: Path, vectors: Any
) -> None:
    for out in ("a.html", "a.png"):
        said = kinsight("atlas", stored(vectors), "--out", tmp_path / out)
        assert said.code == 0, said.err
    data = data_of(tmp_path / "a.html")
    assert len(set(zip(data["x"], data["y"], strict=True))) == len(vectors)


def test_what_is_not_finite_is_left_out_and_counted(
    stored: Callable[..., Path], kinsight: Call, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    vectors[3, 1], vectors[7] = np.nan, np.inf
    found = package.atlas(stored(vectors, labels=np.arange(20) % 2))
    assert (len(found.ids), found.not_finite, "row 3" in found.ids) == (18, 2, False)
    assert "2 pictures are left out, because the embedding is not finite" in found.words()
    said = kinsight("atlas", stored(np.full((3, 2), np.nan)), "--out", tmp_path / "a.html")
    assert "none of the 3 embeddings" in said.sentence


def test_refusals(
    kinsight: Call, stored: Callable[..., Path], finished: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    file = stored(np.ones((3, 2)))
    assert "is no page and no figure" in kinsight("atlas", file, "--out", tmp_path / "a.jpg").sentence
    assert kinsight("atlas", file, "--method", "mds").sentence == "method 'mds' is not known; write tsne, umap, pca"
    assert "add --data" in kinsight("atlas", file, "--split", "test", "--out", tmp_path / "a.html").sentence
    assert "limit is 0" in kinsight("atlas", file, "--limit", 0).sentence
    assert "leave it out" in kinsight("atlas", finished, "--vectors-key", "x", "--out", tmp_path / "a.html").sentence
    assert "does not exist" in kinsight("atlas", tmp_path / "gone.npz", "--out", tmp_path / "a.html").sentence
    monkeypatch.setattr(layouts, "find_spec", lambda name: None)
    assert "or write tsne" in kinsight("atlas", file, "--method", "umap").sentence
