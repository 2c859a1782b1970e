"""CAM from the class weights that a run's loss has learned, and the grid of methods that shows it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kinsight
from kinsight.api.class_weights import class_weights_of
from kinsight.data import read_table, write_scenes
from kinsight.explanation import Explainer
from kinsight.explanation.centres import Centres
from kinsight.explanation.measuring.method_maps import method_maps
from kinsight.models import load_embedder
from kinsight.models.weights import read_tensors
from kinsight.training import loop, train
from kinsight.training.checkpoints import newest_checkpoint
from kinsight.training.validation import METRICS
from tiny_run import tiny

SOFTMAX = {
    "objective": {"loss": {"name": "norm-softmax"}, "miner": {"name": "none"}},
    "epochs": 1,
    "data": {"fold": None},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A run with class weights, and pictures that it has not seen."""
    folder = tmp_path_factory.mktemp("cam")
    scenes = write_scenes(folder / "scenes", classes=6, per_class=4, size=48, seed=2)
    train(tiny(scenes, SOFTMAX), folder / "run", progress=False)
    yield folder / "run", read_table(scenes)["path"].tolist()[-6:]
    shutil.rmtree(folder)


def test_cam_is_the_decomposition_against_the_predicted_class(made: tuple[Path, list[str]]) -> None:
    run, pictures = made
    model = kinsight.load(run)
    weights = class_weights_of(run, model, pictures)  # (N, C)
    found = method_maps(Explainer(model), pictures, methods=["cam"], class_weights=weights)
    checkpoint = newest_checkpoint(run / "checkpoints")
    assert checkpoint is not None
    (matrix,) = [
        value.numpy()
        for name, value in read_tensors(checkpoint / "objective.safetensors").items()
        if name.endswith("W")
    ]
    matrix = matrix / np.linalg.norm(matrix, axis=0)  # (D, classes)
    predicted = (model.encode(pictures) @ matrix).argmax(1)
    for row, view in enumerate(Explainer(model).views(pictures)):
        wanted = view.places @ matrix[:, predicted[row]]  # (h, w): through average pooling they are one
        np.testing.assert_allclose(found.maps["cam"][row], wanted, atol=1e-5 * np.abs(wanted).max() + 1e-7)


@pytest.mark.long
def test_localize_by_cam(made: tuple[Path, list[str]]) -> None:
    run, _ = made
    found = kinsight.localize(run, methods=["cam", "decomposition"], drawing="even-clipped")
    assert list(found.scores)[:2] == ["cam", "decomposition"]
    assert found.drawing == "even-clipped"
    assert (run / "maps" / "localization-test-even-clipped.json").is_file()
    assert "cam" not in kinsight.localize(run, methods="grad-cam").scores
    assert "cam" not in kinsight.localize(run, methods="all").scores


@pytest.mark.long
def test_the_grid_as_page_and_figure(made: tuple[Path, list[str]], tmp_path: Path) -> None:
    run, pictures = made
    found = kinsight.explain(run, *pictures[:3], methods=["decomposition", "cam"], out=tmp_path / "grid.html")
    assert {name: maps.shape[0] for name, maps in found.maps.items()} == {"decomposition": 3, "cam": 3}
    page = (tmp_path / "grid.html").read_text()
    assert page.count("<article>") == 3
    assert page.count("<img") == 3 * (1 + 2)
    assert all(name not in partner for name, partner in zip(found.names, found.partners, strict=True))
    one = kinsight.explain(run, pictures[0], methods="all", gallery=pictures, out=tmp_path / "grid.png")
    vectors = kinsight.load(run).encode(pictures)
    assert one.similarities[0] == pytest.approx(float((vectors[0] @ vectors[1:].T).max()), abs=1e-5)
    with Image.open(tmp_path / "grid.png") as figure:
        assert figure.width > 4 * figure.height
    decomposition = kinsight.explain(run, pictures[0], _path(pictures, one.partners[0]), stage=0)
    np.testing.assert_allclose(one.maps["decomposition"][0], decomposition.overall("query"), atol=1e-6)


def _path(pictures: list[str], name: str) -> str:
    return next(path for path in pictures if path.endswith(name))


def test_what_cam_cannot_be_asked_of(made: tuple[Path, list[str]], tmp_path: Path) -> None:
    run, pictures = made
    model = kinsight.load(run)
    for call, sentence in {
        lambda: kinsight.localize(run, methods=["cam"], stage=1): "cam has weights for the last map only",
        lambda: kinsight.localize(run, drawing="odd"): "drawing 'odd' is not known; write one of centred, even",
        lambda: kinsight.explain(model, *pictures, methods="cam"): "give the folder of a run",
        lambda: kinsight.explain(
            run / "model" / "..", pictures[0], methods="all"
        ): "give two or more, or one and a gallery",
        lambda: kinsight.explain(run, *pictures, methods="all", out=tmp_path / "a.npz"): r"ends in .html or .png",
        lambda: class_weights_of(tmp_path, model, pictures): "belongs to no run",
    }.items():
        with pytest.raises(kinsight.KinsightError, match=sentence):
            call()
    other = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.rmtree(other / "checkpoints")
    with pytest.raises(kinsight.KinsightError, match="has no weights of classes"):
        kinsight.localize(other, methods=["cam"])


@pytest.mark.long
def test_the_class_weights_of_the_best_model_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = write_scenes(tmp_path / "scenes", classes=12, per_class=4, size=48, seed=2)
    falling = iter([0.1, 0.3, 0.2])  # the start, and two epochs, the first of which is the best
    monkeypatch.setattr(loop, "validate", lambda *_: dict.fromkeys(METRICS, next(falling)))
    settings = tiny(scenes, SOFTMAX, {"data": {"fold": 0, "folds": 3}, "epochs": 2})
    run = train(settings, tmp_path / "run", progress=False)
    pictures = read_table(scenes)["path"].tolist()[-6:]
    best, last = (load_embedder(run.trained_model(which)) for which in ("best", "last"))
    of_best, of_last = (class_weights_of(run.path, model, pictures) for model in (best, last))
    assert not np.allclose(of_best, of_last)
    (kept,) = run.checkpoints.glob("classes-of-*")
    kept.unlink()
    with pytest.raises(kinsight.KinsightError, match="those of its last step and not of its best model"):
        class_weights_of(run.path, best, pictures)
    np.testing.assert_array_equal(class_weights_of(run.path, last, pictures), of_last)


@pytest.mark.long
def test_the_grid_is_drawn_in_any_way(made: tuple[Path, list[str]]) -> None:
    run, pictures = made
    centred, even = (
        kinsight.explain(run, *pictures[:2], methods="decomposition", stage=1, drawing=drawing)
        for drawing in ("centred", "even-clipped")
    )
    assert even.centres == Centres.even((32, 32), even.maps["decomposition"].shape[1:])
    np.testing.assert_array_equal(even.maps["decomposition"], np.maximum(centred.maps["decomposition"], 0))
    with pytest.raises(kinsight.KinsightError, match="without methods"):
        kinsight.explain(run, *pictures[:2], drawing="even")
