"""The verbs as Python functions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kinsight
from kinsight.api import Embeddings, starting_point
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from tiny_run import PER_CLASS, finished, pictures, tiny, write_table

__all__ = ["finished", "pictures"]


def test_every_public_name_is_there() -> None:
    for name in kinsight.__all__:
        assert getattr(kinsight, name) is not None, name
    assert dir(kinsight) == kinsight.__all__
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        kinsight.nonsense  # noqa: B018


def test_load_encodes_pictures(finished: Path, pictures: Path) -> None:
    files = sorted(pictures.parent.glob("class_00/*.png"))[:3]
    model = kinsight.load(finished)
    vectors = model.encode(files)
    assert vectors.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with Image.open(files[1]) as image:
        np.testing.assert_allclose(model.encode(image)[0], vectors[1], atol=1e-6)
    np.testing.assert_array_equal(kinsight.load(finished / "model").encode(files), vectors)


def test_load_where_there_is_no_model(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(kinsight.KinsightError, match="is not a folder"):
        kinsight.load(tmp_path / "nothing")
    shutil.copy(finished / "recipe.yaml", tmp_path)
    with pytest.raises(kinsight.KinsightError, match="has no best model yet"):
        kinsight.load(tmp_path)


def test_train_and_evaluate_from_python(tmp_path: Path, pictures: Path) -> None:
    run = kinsight.train(tiny(pictures, {"epochs": 1}), tmp_path / "run", progress=False)
    (record,) = kinsight.evaluate_run(run.path, ks=(1, 3))
    assert record["metrics"]["recall_at_3"] >= record["metrics"]["recall_at_1"]
    found = kinsight.embed(run.path, pictures, workers=0)
    assert found.digest == kinsight.load(run.path).digest() == record["protocol"]["model"]["digest"]
    rows = [int(label[-2:]) >= 6 for label in found.labels]  # the test classes
    again = kinsight.evaluate(found.vectors[rows], found.labels[rows], ks=(1, 3))
    assert again["map_at_r"] == pytest.approx(record["metrics"]["map_at_r"])


def test_two_trainings_of_one_process_may_differ_in_precision(tmp_path: Path, pictures: Path) -> None:
    for precision in ("bf16", "fp32"):
        settings = tiny(pictures, {"epochs": 1, "precision": precision, "data": {"fold": None}})
        run = kinsight.train(settings, tmp_path / precision, progress=False)
        assert run.read_protocol()["training"]["precision"] == precision


def test_embed_a_list_keeps_its_order(finished: Path, pictures: Path) -> None:
    files = sorted(pictures.parent.glob("class_0[12]/*.png"))[::-1]
    found = kinsight.embed(finished, files, workers=0, batch_size=5)
    assert found.ids.tolist() == [str(file) for file in files]
    assert found.labels is None
    np.testing.assert_allclose(found.vectors, kinsight.load(finished).encode(files), atol=1e-6)
    with pytest.raises(kinsight.KinsightError, match="no pictures were given"):
        kinsight.embed(finished, [])


def test_a_folder_with_a_table_is_read_by_its_table(finished: Path, pictures: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "spare.png"):
        shutil.copy(pictures.parent / "class_00" / "0.png", tmp_path / name)
    write_table(tmp_path / "metadata.csv", [{"path": "a.png", "label": "x"}, {"path": "b.png", "label": "y"}])
    found = kinsight.embed(finished, tmp_path, workers=0)
    assert found.ids.tolist() == ["a.png", "b.png"]
    assert found.labels is not None
    assert found.labels.tolist() == ["x", "y"]


def test_boxes_are_cut_out_where_wanted(finished: Path, pictures: Path, tmp_path: Path) -> None:
    file = pictures.parent / "class_00" / "0.png"
    row = {"path": str(file), "label": "x", "x_1": 2, "y_1": 3, "x_2": 30, "y_2": 33}
    table = write_table(tmp_path / "boxes.csv", [row, {**row, "path": str(file.with_name("1.png"))}])
    with Image.open(file) as image:
        cut = image.crop((2, 3, 30, 33))
    found = kinsight.embed(finished, table, workers=0, crop_to_box=True)
    np.testing.assert_allclose(found.vectors[0], kinsight.load(finished).encode(cut)[0], atol=1e-5)
    assert not np.allclose(found.vectors[0], kinsight.embed(finished, table, workers=0).vectors[0], atol=1e-3)


def test_embeddings_are_saved_without_pickle(tmp_path: Path) -> None:
    path = Embeddings(np.array(["a"]), np.ones((1, 2), np.float32), None, "d1").save(tmp_path / "new" / "e.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["digest", "ids", "vectors"]
        assert str(arrays["digest"]) == "d1"


def test_what_training_started_from(finished: Path, pictures: Path) -> None:
    settings = settings_from(RunFolder(finished).settings())
    start = starting_point(settings)
    assert start.dim == start.trunk.channels
    file = pictures.parent / "class_00" / "0.png"
    np.testing.assert_array_equal(start.encode([file]), starting_point(settings).encode([file]))


def test_skipped_pictures_are_counted(tmp_path: Path, finished: Path, pictures: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    files = sorted(pictures.parent.glob("class_0[12]/*.png"))
    rows = [{"path": str(file), "label": file.parent.name, "split": "test"} for file in files]
    (tmp_path / "corrupt.png").write_bytes(b"no picture")
    table = write_table(tmp_path / "some.csv", [*rows, {**rows[0], "path": str(tmp_path / "corrupt.png")}])
    with pytest.raises(kinsight.KinsightError, match=r"corrupt\.png"):
        kinsight.evaluate_run(run, data=str(table))
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("on_unreadable: refuse", "on_unreadable: skip"))
    (record,) = kinsight.evaluate_run(run, data=str(table), ks=(1,))
    assert record["protocol"]["unreadable_pictures"] == 1
    assert record["metrics"]["queries"] == 2 * PER_CLASS


def test_the_report_calls_classes_by_their_names(tmp_path: Path, finished: Path, pictures: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    rows = [
        {"path": str(file), "label": number, "class_name": f"heron {number}"}
        for number, folder in enumerate(sorted(pictures.parent.glob("class_*")))
        for file in sorted(folder.iterdir())
    ]
    kinsight.evaluate_run(run, data=str(write_table(tmp_path / "named.csv", rows)), split="all")
    with np.load(run / "evaluation" / "named-all.npz") as arrays:
        assert set(arrays["labels"]) == {str(number) for number in range(12)}
        assert set(arrays["names"]) == {f"heron {number}" for number in range(12)}
    assert "heron 3" in (run / "report.html").read_text()
    ambiguous = [{**row, "class_name": "heron"} for row in rows]
    kinsight.evaluate_run(run, data=str(write_table(tmp_path / "same.csv", ambiguous)), split="all")
    with np.load(run / "evaluation" / "same-all.npz") as arrays:
        assert "names" not in arrays
