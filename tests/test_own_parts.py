"""Heads, trunks and losses of the user's own, by class path from the command line: trained, gone on with, evaluated, explained."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kinsight
from cli.conftest import kinsight as called
from kinsight.training.loop import Training
from tiny_run import TINY, dumped, numbers_of, pictures

__all__ = ["called", "pictures"]

MINE = '''
import torch
from torch import nn
from kinsight.models import Embedding


class Trunk(nn.Module):
    """Two convolutions: (N, 3, H, W) -> (N, width, H / 4, W / 4)."""

    def __init__(self, width: int = 6):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.second = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.classifier = nn.Linear(width, 10)

    def forward(self, images):
        return self.second(self.first(images).relu()).relu()


class Head(nn.Module):
    """A linear map of the mean."""

    def __init__(self, channels: int, map_size: tuple[int, int], *, dim: int = 5):
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(channels, dim)

    def forward(self, feature_map):
        return Embedding.single(self.linear(feature_map.mean(dim=(2, 3))))


class Loss(nn.Module):
    """The squared distance of pictures of one class, less that of others."""

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, embeddings, labels):
        same = labels[:, None] == labels
        apart = (embeddings[:, None] - embeddings).square().sum(2)
        return self.gain * (apart[same].mean() - apart[~same].mean())


class NoMap(nn.Module):
    def forward(self, images):
        return images.mean(dim=(2, 3))


class Fails(nn.Module):
    def forward(self, images):
        return images @ torch.ones(7, 7)


class Nothing(nn.Module):
    def forward(self, embeddings, labels):
        return None


class Stumbles(nn.Module):
    def forward(self, embeddings, labels):
        return embeddings.nothing()
'''
OWN = (
    "--model.trunk", "mine.Trunk", "--model.trunk-options", "{width: 8}", "--model.head", "mine.Head", "--model.head.dim", "6",
    "--objective.loss", "mine.Loss", "--objective.loss.gain", "0.5", "--objective.miner", "none",
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "tiny.yaml").write_text(dumped(TINY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])  # as the command alone finds it
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.mark.long
def test_trained_gone_on_with_evaluated_and_explained(
    called: Any, here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ["train", "--recipe", "tiny.yaml", "--data", pictures, *OWN, "--out"]
    assert called(*start, "whole").code == 0
    step = Training._step

    def interrupted(self: Training, *given: Any) -> None:
        if self.position.step == 4:
            raise KeyboardInterrupt
        step(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", interrupted)
        assert called(*start, "run").code == 130
    refused = called("train", "--out", "run").sentence
    assert "names mine.Head and mine.Loss and mine.Trunk, and code that a folder names is not run unasked" in refused
    for again in (["--own-code"], [*OWN]):
        shutil.copytree("run", "again")
        assert called("train", "--out", "again", *again).code == 0
        assert numbers_of(here / "again") == numbers_of(here / "whole")
        shutil.rmtree("again")

    assert "mine.Head is a class path" in called("evaluate", "whole").sentence
    assert called("evaluate", "whole", "--own-code").code == 0
    assert called("evaluate", "whole", "--own_code", "--untrained", "--json").code == 0
    two = sorted(pictures.parent.glob("class_00/*.png"))[:2]
    assert called("explain", "whole", *two, "--out", "pair.html", "--own-code").code == 0
    with pytest.raises(kinsight.KinsightError, match="is a class path"):
        kinsight.load("whole")
    model = kinsight.load("whole", own_code=True)
    assert (model.dim, model.trunk.channels, model.trunk.map_size) == (6, 8, (8, 8))
    assert not [name for name in model.state_dict() if "classifier" in name]  # no map depends on it
    pair = kinsight.explain(model, *two)
    assert pair.completeness_error < 1e-5
    assert pair.affinity_error < 1e-5
    with kinsight.own_code():
        assert kinsight.load("whole").digest() == model.digest()
    assert json.loads(Path("whole/model/config.json").read_text())["settings"]["head"] == {
        "name": "mine.Head",
        "dim": 6,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model.trunk", "mine.NoMap"], ["trunk mine.NoMap gives a tensor (1, 3) for 1 pictures", "(N, C, h, w)"]),
        (["--model.trunk", "mine.Fails"], ["trunk mine.Fails fails on pictures of 32x32", "mine.py line"]),
        (["--model.trunk", "mine.Trunk", "--model.trunk-options", "{depth: 2}"], ["'depth' is not one of its options"]),
        (["--model.trunk", "mine.Trunk", "--model.trunk-options", "{stage: 1}"], ["stage 1 does not exist"]),
        (["--model.trunk", "mine.Trunk", "--model.pretrained", "true"], ["has no pretrained weights"]),
        (["--model.trunk", "mine.Trank"], ["the trunk class mine.Trank could not be imported"]),
        (["--model.head", "mine.Trunk"], ["the head mine.Trunk says in its attribute dim None"]),
        (["--objective.loss", "mine.Nothing", "--objective.miner", "none"], ["loss mine.Nothing", "one number"]),
        (["--objective.loss", "mine.Stumbles", "--objective.miner", "none"], ["loss mine.Stumbles", "mine.py line"]),
        (["--objective.loss", "mine.Loss"], ["loss mine.Loss", "takes 3 positional"]),
        (["--objective.loss", "pytorch_metric_learning.losses.BaseMetricLossFunction"], ["NotImplementedError"]),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_one_sentence(
    called: Any, pictures: Path, options: list[str], words: list[str]
) -> None:
    said = called("train", "--recipe", "tiny.yaml", "--data", pictures, "--out", "run", *options)
    assert all(word in said.sentence for word in words), said.sentence
