"""Pairs of two views are explained as exactly as those of one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kinsight
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.models import ModelSettings, TwoStreams, build_model


@pytest.fixture(scope="module", params=[True, False], ids=["shared head", "own heads"])
def model(request: pytest.FixtureRequest) -> TwoStreams:
    streams = {"street": {"size": [32, 96], "resize": None}, "aerial": {"size": 48, "resize": 68}}
    settings = ModelSettings(
        trunk="test_resnet",
        trunk_options={"stage": 1},
        frozen_norm="none",
        head={"dim": 8, "pooling": "avg", "hidden": [12], "relu": True, "batch_norm": True},
        streams=streams,
        shared_head=request.param,
    )
    made = build_model(settings, seed=3)
    assert isinstance(made, TwoStreams)
    return made.eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, random = tmp_path_factory.mktemp("views"), np.random.default_rng(4)
    paths = folder / "street.png", folder / "aerial.png"
    for path, size in zip(paths, [(96, 32), (70, 70)], strict=True):
        Image.fromarray(random.integers(0, 255, (5, 7, 3), np.uint8)).resize(size).save(path)
    return paths


def test_the_similarity_of_two_views_is_split_exactly(model: TwoStreams, pictures: tuple[Path, Path]):
    pair = kinsight.explain(model, *pictures, stage=0)
    vectors = [model.encode(path, stream=name)[0] for name, path in zip(model.names, pictures, strict=True)]
    assert pair.similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert pair.completeness_error <= 1e-5
    for view, vector in zip((pair.query, pair.other), vectors, strict=True):
        whole = view.places.sum((0, 1)) + view.bias
        np.testing.assert_allclose(whole / np.linalg.norm(whole), vector, atol=1e-5)
        assert view.affinity_error <= 1e-5
    assert pair.tensor.shape == (*pair.query.places.shape[:2], *pair.other.places.shape[:2])
    assert pair.query.places.shape[:2] != pair.other.places.shape[:2]


def test_each_view_is_explained_by_its_own_stream(model: TwoStreams, pictures: tuple[Path, Path]):
    pair = kinsight.explain(model, *pictures, stage=0)
    for name, path, view in zip(model.names, pictures, (pair.query, pair.other), strict=True):
        (alone,) = Explainer(model.stream(name)).views([path])
        np.testing.assert_array_equal(alone.places, view.places)


def test_a_street_picture_finds_aerial_ones(model: TwoStreams, pictures: tuple[Path, Path], tmp_path: Path):
    rows = [{"path": str(path), "pair": 0, "view": name} for name, path in zip(model.names, pictures, strict=True)]
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (68, 68), (80 * number, 90, 9)).save(path)
        rows.append({"path": str(path), "pair": number + 1, "view": "aerial"})
    pd.DataFrame(rows).to_csv(tmp_path / "gallery.csv", index=False)
    found = kinsight.explain(model, pictures[0], gallery=tmp_path / "gallery.csv", top=9, workers=0, stage=0)
    assert len(found) == 4
    best = [pair.similarity for pair in found]
    assert best == sorted(best, reverse=True)
    asked = model.encode(pictures[0], stream="street")
    expected = model.encode([row["path"] for row in rows[1:]], stream="aerial") @ asked[0]
    np.testing.assert_allclose(best, np.sort(expected)[::-1], atol=1e-5)


def test_what_needs_one_stream_says_so(model: TwoStreams, pictures: tuple[Path, Path]):
    with pytest.raises(KinsightError, match=r"model\.stream\('street'\)"):
        Explainer(model)
    with pytest.raises(KinsightError, match="methods are compared"):
        kinsight.explain(model, *pictures, methods="all")
    with pytest.raises(KinsightError, match="leave it out"):
        kinsight.explain(model, *pictures, other=model.stream("aerial"))
