"""Pictures, settings and one finished run, all tiny; made once and shared by the tests of training, verbs and API."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training import train

EACH_STEP: dict[str, Any] = {"checkpoint_minutes": 0}
CLASSES, PER_CLASS, SIDE = 12, 6, 36
# 6 classes train, of which 2 validate; 4 x 6 pictures in batches of 8 are 3 steps an epoch.
TINY: dict[str, Any] = {
    "data": {"folds": 3, "workers": 0},
    "model": {"trunk": "test_resnet", "size": 32, "resize": 32, "head": {"dim": 16, "dropout": 0.2}},
    "objective": {"loss": {"name": "margin", "learn_beta": True}, "miner": {"name": "distance-weighted"}},
    "batches": {"size": 8, "per_class": 4},
    "optimizer": {"trunk_lr": 1e-3},
    "epochs": 3,
    "precision": "fp32",
    "log_every": 1,
    "checkpoint_minutes": 60,
}


def draw_pictures(folder: Path, classes: int = CLASSES, per_class: int = PER_CLASS) -> Path:
    """A table of noisy pictures, a colour and a stripe for each class; the path of its CSV."""
    random = np.random.default_rng(5)
    rows = []
    for label in range(classes):
        base = random.integers(0, 256, 3)
        for number in range(per_class):
            pixels = np.broadcast_to(base, (SIDE, SIDE, 3)) * 0.5 + random.normal(64, 40, (SIDE, SIDE, 3))
            pixels[:, label * 3 : label * 3 + 3] = 255
            name = f"class_{label:02d}/{number}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append({"path": name, "label": f"class_{label:02d}"})
    return write_table(folder / "pictures.csv", rows)


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A CSV with the keys of the first row as header."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def tiny(data: Path, *changes: dict[str, Any]) -> Any:
    """The tiny settings for a table, with changes."""
    return settings_from(TINY, {"data": {"path": str(data)}}, *changes)


def stored_each_step(data: Path, *changes: dict[str, Any]) -> Any:
    """The tiny settings with a checkpoint after every step, for runs that are stopped and go on."""
    return tiny(data, EACH_STEP, *changes)


def numbers_of(run: Path) -> list[dict[str, Any]]:
    """What a run logged, without what depends on the clock."""
    return [
        {key: value for key, value in record.items() if key != "pictures_per_second"}
        for record in RunFolder(run).history()
        if record["kind"] in ("train", "validation")
    ]


def weights_of(run: Path) -> bytes:
    """The last model of a run, bit by bit."""
    return (run / "model-last" / "model.safetensors").read_bytes()


_made: dict[str, Path] = {}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV of a table of pictures; not to be changed."""
    if "pictures" not in _made:
        _made["pictures"] = draw_pictures(tmp_path_factory.mktemp("pictures"))
    return _made["pictures"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A run that was trained to its end without interruption; to be evaluated, not to be changed."""
    if "finished" not in _made:
        out = tmp_path_factory.mktemp("runs") / "finished"
        train(tiny(pictures), out, progress=False)
        _made["finished"] = out
    return _made["finished"]


def dumped(settings: dict[str, Any]) -> str:
    """Settings as a recipe file: JSON is YAML."""
    return json.dumps(settings)
