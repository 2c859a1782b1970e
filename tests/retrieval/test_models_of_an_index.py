"""Indexes of models that Kinsight never trained, and of one side of two streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import kinsight
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, View
from kinsight.explanation.part_query import part_vector
from kinsight.explanation.regions import Region
from kinsight.models import ModelSettings, TwoStreams, build_model
from kinsight.pictures import Preprocessing
from tiny_run import write_table

SIDE = 24
FED = Preprocessing(size=SIDE, resize=None)
BOX = (0.0, 0.0, 12.0, 24.0)


def network(seed: int = 0) -> nn.Sequential:
    """A network of somebody else; its places are the output of layer 1."""
    torch.manual_seed(seed)
    head = [nn.BatchNorm2d(6), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5)]
    return nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), *head).eval()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, random = tmp_path_factory.mktemp("views"), np.random.default_rng(1)
    found = [folder / f"{number}.png" for number in range(8)]
    for file in found:
        Image.fromarray(random.integers(0, 255, (3, 3, 3), np.uint8)).resize((SIDE, SIDE)).save(file)
    return found


def agrees(found: kinsight.show.hits.shown.ShownHits, query: View, views: dict[str, View]) -> None:
    """Hits and what answers in them, against the contributions of a plain explainer."""
    vector = part_vector(query, [Region(BOX)])
    exact = {
        name: view.whole @ vector / np.linalg.norm(view.whole) / np.linalg.norm(vector) for name, view in views.items()
    }
    assert [hit.id for hit in found] == sorted(exact, key=lambda name: -exact[name])[: len(found)]
    for hit in found:
        assert hit.score == pytest.approx(exact[hit.id], abs=2e-3)
        assert hit.answers is not None
        assert hit.answers.sum() == pytest.approx(exact[hit.id], abs=1e-5)


def test_an_index_of_a_foreign_network_is_searched_by_parts(files: list[Path], tmp_path: Path) -> None:
    explainer = Explainer(network(), layer="1", preprocessing=FED)
    kinsight.index(explainer, files[1:], out=tmp_path / "a.kin", workers=0, places=True, dtype="float32").close()
    with kinsight.open_index(tmp_path / "a.kin", model=Explainer(network(), layer="1", preprocessing=FED)) as index:
        (query,) = explainer.views([files[0]])
        views = dict(zip(map(str, files[1:]), explainer.views(files[1:]), strict=True))
        agrees(index.search(files[0], region=BOX, top=7), query, views)
        with torch.no_grad():
            whole = network()(torch.stack([explainer.prepare(file).tensor for file in files]))
        whole = nn.functional.normalize(whole).numpy()
        assert [hit.score for hit in index.search(files[0], top=7)] == pytest.approx(
            sorted(whole[1:] @ whole[0])[::-1], abs=1e-5
        )
        assert index.search(files[0], region=BOX, by="places", top=2).by == "places"
        assert index.calibration is None
    with pytest.raises(KinsightError, match="no folder; give the model itself"):
        kinsight.open_index(tmp_path / "a.kin").search(files[0])
    wider = Preprocessing(size=32, resize=None)
    for weights, fed in ((network(1), FED), (network(), wider)):
        other = Explainer(weights, layer="1", preprocessing=fed)
        with pytest.raises(KinsightError, match="give the model that it was built with"):
            kinsight.open_index(tmp_path / "a.kin", model=other).search(files[0])


def test_what_cannot_be_known_again_or_fed_is_refused(files: list[Path]) -> None:
    with pytest.raises(KinsightError, match="does not say what its network is fed with"):
        kinsight.index(Explainer(network(), layer="1"), files)
    functions = Explainer((lambda images: images, lambda feature_map: feature_map.mean((2, 3))), preprocessing=FED)
    with pytest.raises(KinsightError, match="neither trunk nor head is a torch module"):
        kinsight.index(functions, files)


@pytest.fixture(scope="module")
def streams() -> TwoStreams:
    sizes = {"street": {"size": [16, 32], "resize": None}, "aerial": {"size": SIDE, "resize": None}}
    made = build_model(
        ModelSettings(trunk="test_resnet", trunk_options={"stage": 1}, head={"dim": 8}, streams=sizes), seed=3
    )
    assert isinstance(made, TwoStreams)
    return made.eval()


def test_one_view_is_indexed_and_the_other_searches_it(streams: TwoStreams, files: list[Path], tmp_path: Path) -> None:
    rows = [{"path": str(file), "view": view} for file, view in zip(files, ["aerial", "street"] * 4, strict=True)]
    table, model = write_table(tmp_path / "views.csv", rows), tmp_path / "model"
    streams.save(model)
    kinsight.index(model, table, stream="aerial", out=tmp_path / "a.kin", workers=0, dtype="float32").close()
    with kinsight.open_index(tmp_path / "a.kin") as index:
        assert len(index) == 4
        index.explainer = Explainer(streams.stream("aerial"))
        views = dict(zip(map(str, files[::2]), index.explainer.views(files[::2]), strict=True))
        (query,) = index.known.explainer(0, stream="street").views([files[1]])
        agrees(index.search(query, region=BOX, top=4), query, views)
        own = index.search(files[1], answers=False, top=4)
        asked = index.search(files[1], stream="street", answers=False, top=4)
        cosines = (
            streams.encode([str(file) for file in files[::2]], stream="aerial")
            @ streams.encode(str(files[1]), stream="street")[0]
        )
        assert [hit.score for hit in asked] == pytest.approx(sorted(cosines)[::-1], abs=1e-5)
        assert [hit.score for hit in own] != pytest.approx([hit.score for hit in asked], abs=1e-3)
        with pytest.raises(KinsightError, match="no stream 'sky'"):
            index.search(files[1], stream="sky")
    with pytest.raises(KinsightError, match="holds pictures of the stream aerial"):
        kinsight.index(model, table, stream="street", out=tmp_path / "a.kin", update=True)
    with pytest.raises(KinsightError, match="say of which with stream='street'"):
        kinsight.index(streams, table)
    with pytest.raises(KinsightError, match="no pictures of the view street"):
        kinsight.index(streams, write_table(tmp_path / "one.csv", rows[::2]), stream="street")
