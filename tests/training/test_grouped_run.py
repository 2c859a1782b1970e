"""Runs with groups: trained, cut and gone on with, saved, evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

import kinsight
from kinsight.errors import KinsightError
from kinsight.models import load_embedder
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import given_options, settings_from, settings_parser
from kinsight.settings.recipe import differences
from kinsight.training import train
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table
from tiny_run import numbers_of, tiny, weights_of

GROUPED: dict[str, Any] = {
    "model": {"head": {"name": "attentive", "groups": 3, "dim": 16}},
    # A small beta, because pictures are near each other at the start: pairs are to be active on both sides.
    "objective": {
        "loss": {"name": "margin", "learn_beta": True, "per_class": True, "beta": 0.2, "margin": 0.1},
        "diversity": {"weight": 0.05},
    },
    "optimizer": {"name": "sgd", "loss_lr": 0.05, "head_lr": 0.1},
    "epochs": 2,
}


class CutError(Exception):
    """Where a test cuts a run."""


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    out = tmp_path_factory.mktemp("grouped") / "run"
    train(tiny(pictures, GROUPED), out, progress=False)
    return out


def training_of(run: RunFolder, into: RunFolder) -> Training:
    settings = settings_from(str(run.recipe))
    return Training(settings, into, prepare_table(settings.data), progress=False)


@pytest.mark.long
def test_it_trains_and_is_evaluated(grouped: Path) -> None:
    run = RunFolder(grouped)
    model = load_embedder(run.trained_model())
    assert model.dim == 15
    start = training_of(run, run).embedder
    for name, value in start.head.named_parameters():
        assert not torch.equal(value, model.head.get_parameter(name)), name
    assert 1 / 36 < kinsight.evaluate(grouped, k=(1,))["recall_at_1"] <= 1
    protocol = run.read_protocol().training
    assert protocol.diversity == {"weight": 0.05}
    assert all(np.isfinite(line["loss"]) for line in numbers_of(grouped) if line["kind"] == "train")


def test_loss_parameters_of_every_group_train_at_their_rate(grouped: Path, tmp_path: Path) -> None:
    run = RunFolder(grouped)
    training = training_of(run, RunFolder(tmp_path / "new"))
    (group,) = [each for each in training.optimizer.param_groups if each["name"] == "loss"]
    assert [tuple(parameter.shape) for parameter in group["params"]] == [(training.classes,)] * 3
    assert (group["base_lr"], group["weight_decay"]) == (0.05, 0.0)
    (saved,) = grouped.glob("checkpoints/step-*/objective.safetensors")
    tensors = load_file(saved)
    betas = [tensors[f"terms.parts.metrics.{each}.loss.beta"] for each in range(3)]
    assert all(np.abs(beta - 0.2).max() > 1e-4 for beta in betas)
    assert not np.allclose(betas[0], betas[1], rtol=0, atol=1e-4)


@pytest.mark.long
def test_cut_and_gone_on_with_it_comes_to_the_same_end(
    grouped: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Training._step

    def cut(self: Training, *arguments: Any) -> None:
        if self.position.step == 4:
            raise CutError
        whole(self, *arguments)

    settings = tiny(pictures, GROUPED)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", cut)
        with pytest.raises(CutError):
            train(settings, tmp_path / "run", progress=False)
    train(settings, tmp_path / "run", progress=False)
    assert numbers_of(tmp_path / "run") == numbers_of(grouped)
    assert weights_of(tmp_path / "run") == weights_of(grouped)


@pytest.mark.long
@pytest.mark.parametrize("loss", ["contrastive", "binomial", "proxy-anchor"])
@pytest.mark.parametrize("head", ["multi-linear", "gate", "channel"])
def test_every_head_takes_every_loss(head: str, loss: str, pictures: Path, tmp_path: Path) -> None:
    changes = {
        "model": {"head": {"name": head, "groups": 2, "dim": 8}},
        "objective": {"loss": {"name": loss}, "miner": {"name": "none"}, "diversity": {"scale": "code"}},
        "epochs": 1,
        "data": {"fold": None},
    }
    train(tiny(pictures, changes), tmp_path / "run", progress=False)
    assert load_embedder(RunFolder(tmp_path / "run").trained_model()).dim == 8


def test_a_run_from_before_diversity_goes_on(finished: Path) -> None:
    stored = yaml.safe_load((finished / "recipe.yaml").read_text())
    del stored["objective"]["diversity"]
    assert not differences(stored, RunFolder(finished).settings())


def test_wrong_options_are_refused_before_anything_is_written(pictures: Path, tmp_path: Path) -> None:
    for changes in ({"model": {"head": {"groups": 40}}}, {"objective": {"diversity": {"scale": "sum"}}}):
        settings = tiny(pictures, GROUPED, changes)
        with pytest.raises(KinsightError, match=r"40 groups need|scale is 'sum'"):
            train(settings, tmp_path / "run", progress=False)
        assert not (tmp_path / "run").exists()


def test_the_command_line_reaches_every_option() -> None:
    words = "--model.head attentive --model.head.groups 3 --objective.diversity.weight 0.02 --objective.diversity.scale code"
    settings = settings_from("margin-resnet50", given_options(settings_parser(), words.split()))
    assert settings.model.head == {"name": "attentive", "groups": 3}
    assert settings.objective.diversity == {"weight": 0.02, "scale": "code"}
