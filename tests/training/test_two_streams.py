"""Two streams trained on pairs: the same after a kill and in two processes; what they are fed with, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from forked_processes import assert_same_run, on_two_processes
from killed_runs import killed, train_and_die
from kinsight.data import read_table
from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.models import TwoStreams, load_model
from kinsight.models.two_streams import _Trunks
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training import train
from kinsight.training.loop import Training
from kinsight.training.validation import validate, who_searches
from tiny_run import EACH_STEP, numbers_of, weights_of

PAIRS: dict[str, Any] = {
    "data": {"workers": 0, "augmentation": "color", "stream_augmentation": {"aerial": "turn+color"}},
    "model": {
        "trunk": "test_resnet",
        "head": {"dim": 8},
        "streams": {"street": {"size": [16, 48], "resize": None}, "aerial": {"size": 16, "resize": 24}},
    },
    "objective": {"loss": {"name": "weighted-soft-margin"}},
    "batches": {"size": 8},
    "optimizer": {"trunk_lr": 1e-3},
    "epochs": 2,
    "precision": "fp32",
    "log_every": 1,
    "checkpoint_minutes": 60,
}


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 places of two pictures, of one colour each: 12 train, 4 validate, 4 test."""
    folder, rows = tmp_path_factory.mktemp("towns"), []
    random = np.random.default_rng(2)
    for place in range(20):
        colour = random.integers(0, 256, 3)
        for view, size in {"street": (48, 16), "aerial": (26, 26)}.items():
            pixels = colour + random.normal(0, 30, (*size[::-1], 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{place}-{view}.png")
            split = "train" if place < 12 else "validation" if place < 16 else "test"
            row = {"path": f"{place}-{view}.png", "pair": place, "view": view, "split": split}
            rows.append({**row, "heading": 3.0 * place})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder


def settings(data: Path, *changes: dict[str, Any]) -> Any:
    return settings_from(PAIRS, {"data": {"path": str(data)}}, *changes)


@pytest.fixture(scope="module")
def run(towns: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(settings(towns), tmp_path_factory.mktemp("run") / "run", progress=False).path


def test_a_run_of_two_streams_is_a_run(run: Path):
    model = load_model(RunFolder(run).trained_model())
    assert isinstance(model, TwoStreams)
    assert model.names == ("street", "aerial")
    protocol = json.loads((run / "protocol.json").read_text())
    assert set(protocol["model"]["preprocessing"]) == {"street", "aerial"}
    assert len([record for record in numbers_of(run) if record["kind"] == "train"]) == 2 * 3


@pytest.mark.long
def test_killed_it_comes_to_the_same_weights(run: Path, towns: Path, tmp_path: Path):
    each_step = settings(towns, EACH_STEP)
    assert killed(train_and_die, each_step, tmp_path / "cut", 4)
    train(each_step, tmp_path / "cut", progress=False)
    assert numbers_of(tmp_path / "cut") == numbers_of(run)
    assert weights_of(tmp_path / "cut") == weights_of(run)


@pytest.mark.long
def test_two_processes_train_as_one(run: Path, towns: Path, tmp_path: Path):
    assert on_two_processes(train, settings(towns), tmp_path / "two") == [0, 0]
    assert_same_run(run, tmp_path / "two")


STILL: dict[str, Any] = {
    "optimizer": {"name": "sgd", "trunk_lr": 0.0, "head_lr": 0.05},
    "data": {"augmentation": "none", "stream_augmentation": None},
}
NEVER: dict[str, Any] = {"features": {"once": "never"}}


def assert_equal_weights(one: Path, two: Path) -> None:
    first, second = (load_file(run / "model-last" / "model.safetensors") for run in (one, two))
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], atol=1e-6, rtol=0, err_msg=name)


@pytest.mark.parametrize("heads", [{}, {"head": {"dim": 8, "pooling": "avg+max"}, "shared_head": True}])
def test_features_of_standing_trunks_train_the_same_heads(
    towns: Path, tmp_path: Path, heads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    standing = settings(towns, STILL, {"model": heads})
    train(settings(towns, STILL, {"model": heads}, NEVER), tmp_path / "pictures", progress=False)
    monkeypatch.setattr(_Trunks, "forward", lambda *given: pytest.fail("a picture passed in training"))
    train(standing, tmp_path / "features", progress=False)
    assert_equal_weights(tmp_path / "pictures", tmp_path / "features")
    said = RunFolder(tmp_path / "features").read_protocol().training.features
    assert said is not None
    assert said.keys() == {"street", "aerial"}
    assert "map" not in {each["reads"] for each in said.values()}


def test_copies_of_what_is_augmented_and_one_of_what_is_not(towns: Path, tmp_path: Path):
    copies = {"data": {"augmentation": "color", "stream_augmentation": {"street": "none"}}, "features": {"copies": 3}}
    run = train(settings(towns, STILL, copies), tmp_path / "run", progress=False)
    said = run.read_protocol().training.features
    assert said is not None
    assert {name: each["copies"] for name, each in said.items()} == {"street": 0, "aerial": 3}
    assert (
        sorted(path.name.split("-")[0] for path in run.features.iterdir()) == ["avg"] * 3
    )  # aerial ones are validated as well


@pytest.mark.long
def test_killed_while_features_are_read_and_in_two_processes(towns: Path, tmp_path: Path):
    each_step = settings(towns, STILL, EACH_STEP)
    whole = train(each_step, tmp_path / "whole", progress=False).path
    assert killed(train_and_die, each_step, tmp_path / "cut", 4)
    train(each_step, tmp_path / "cut", progress=False)
    assert weights_of(tmp_path / "cut") == weights_of(whole)
    assert on_two_processes(train, each_step, tmp_path / "two") == [0, 0]
    assert_same_run(whole, tmp_path / "two")


@pytest.mark.long
def test_headings_and_other_words_of_the_table_move_nothing(run: Path, towns: Path, tmp_path: Path):
    table = pd.read_csv(towns / "metadata.csv").assign(heading=lambda each: -each["heading"], season="winter")
    table["path"] = [str(towns / path) for path in table["path"]]
    table.to_csv(tmp_path / "other.csv", index=False)
    made = train(settings(tmp_path / "other.csv"), tmp_path / "run", progress=False)
    assert weights_of(made.path) == weights_of(run)


def test_streets_search_aerial_pictures(towns: Path):
    training = Training(settings(towns), RunFolder(towns / "unused"), read_table(towns), progress=False)
    found = validate(training.embedder, training.table, training.settings)
    rows = np.flatnonzero((training.table["split"] == "validation").to_numpy())
    model = training.embedder
    assert isinstance(model, TwoStreams)
    paths = training.table["path"].to_numpy()[rows].tolist()
    street, aerial = model.encode(paths[0::2], stream="street"), model.encode(paths[1::2], stream="aerial")
    hits = [(street[i] @ aerial.T).argmax() == i for i in range(4)]
    assert found["precision_at_1"] == np.mean(hits)
    back = who_searches(model, training.table, rows, "aerial")
    assert back["queries"].tolist() == [False, True] * 4
    assert back["gallery"].tolist() == [True, False] * 4
    with pytest.raises(KinsightError, match="write street or aerial"):
        who_searches(model, training.table, rows, "map")


def test_every_picture_goes_through_its_own_stream(towns: Path):
    training = Training(
        settings(towns, {"data": {"stream_augmentation": {"street": "none", "aerial": "none"}}}),
        RunFolder(towns / "unused"), read_table(towns), progress=False,
    )  # fmt: skip
    batch = next(training.inputs.batches(training._batches(0, 0)))
    table, model = training.table, training.embedder
    given = batch.given.values
    views = table["view"].to_numpy()[training.rows][batch.indices.numpy()]
    assert [("street", "aerial")[number] for number in given.stream.tolist()] == views.tolist()  # type: ignore[union-attr]
    paths = table["path"].to_numpy()[training.rows][batch.indices.numpy()]
    for number, name in enumerate(model.names):  # type: ignore[union-attr]
        expected = model.encode(paths[views == name].tolist(), stream=name)  # type: ignore[call-arg]
        model.eval()
        with torch.no_grad():
            found = model(given).normalized[given.stream == number].numpy()  # type: ignore[union-attr]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_trunks_and_heads_of_streams_are_groups(towns: Path):
    changes = {"optimizer": {"groups": {"trunk.aerial": {"lr": 0.5}, "head.street": {"lr": 0.25}}}}
    training = Training(settings(towns, changes), RunFolder(towns / "unused"), read_table(towns), progress=False)
    rates = {group["name"]: group["lr"] for group in training.optimizer.param_groups}
    assert rates["trunk.aerial"] == 0.5
    assert rates["head.street"] == 0.25
    assert {"trunk", "head"} <= set(rates)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batches": {"per_class": 2}}, "hold pairs"),
        ({"batches": {"size": 7}}, "even number"),
        ({"method": {"name": "division"}}, "trains models of one stream"),
        ({"features": {"once": "always"}}, "needs a trunk that stands still"),
        ({"data": {"stream_augmentation": {"map": "turn"}}}, "names the stream 'map'"),
        ({"data": {"stream_augmentation": {"street": "turn"}}}, "corners"),
        ({"model": {"streams": {"ground": {}}}}, "names 3 streams"),
        ({"model": {"streams": {"street": {"size": "x"}, "aerial": {}}}}, "street.size"),
    ],
)
def test_what_makes_no_sense_of_two_streams_is_one_sentence(towns: Path, changes: dict[str, Any], words: str):
    with pytest.raises(KinsightError, match=words):
        Training(settings(towns, changes), RunFolder(towns / "unused"), read_table(towns), progress=False)


def test_an_unreadable_picture_is_left_out_and_its_partner_still_trains(towns: Path, tmp_path: Path):
    table = pd.read_csv(towns / "metadata.csv")
    table["path"] = [str(towns / path) for path in table["path"]]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    table.loc[0, "path"] = str(broken)
    table.to_csv(tmp_path / "pairs.csv", index=False)
    skipping = settings(tmp_path / "pairs.csv", {"data": {"on_unreadable": "skip"}, "epochs": 1})
    training = Training(skipping, RunFolder(tmp_path / "run"), read_table(tmp_path / "pairs.csv"), progress=False)
    seen = [batch.indices.tolist() for batch in training.inputs.batches(training._batches(0, 0))]
    assert sorted(index for batch in seen for index in batch) == list(range(1, 24))


def test_one_percent_of_the_gallery_is_rounded_up():
    random = np.random.default_rng(0)
    vectors, labels = random.normal(size=(402, 16)), np.tile(np.arange(201), 2)
    queries = np.arange(402) < 201
    given: dict[str, Any] = {"queries": queries, "gallery": ~queries, "clustering": False, "diagnosis": False}
    found = evaluate(vectors, labels, **given, ks=(1, 3), percents=(1,))
    assert found["recall_at_1_percent"] == found["recall_at_3"] > found["recall_at_1"]
    assert "recall_at_1_percent" not in evaluate(vectors, labels, **given, ks=(1,))
