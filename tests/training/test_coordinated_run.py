"""The coordinated head, trained: fitted before the first step whatever the validation says, saved, resumed, and divided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.models import load_embedder
from kinsight.runs.folder import RunFolder
from kinsight.training import loop as loop_module
from kinsight.training import train
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table
from tiny_run import numbers_of
from tiny_run import stored_each_step as tiny

HEAD = {"name": "coordinated", "dim": 6, "components": 3, "projected": 8}


def settings_of(pictures: Path, *changes: dict[str, Any]) -> Any:
    settings = tiny(
        pictures, {"epochs": 2, "objective": {"loss": {"name": "proxy-anchor"}, "miner": {"name": "none"}}}, *changes
    )
    settings.model.head, settings.model.frozen_norm = dict(HEAD), "statistics"
    return settings


@pytest.mark.long
def test_it_is_fitted_kept_and_resumed(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.1, 0.5, 0.5])  # of the start, fitted, and of the epochs: a fitted head that is worse stays
    monkeypatch.setattr(
        loop_module, "validate", lambda *_: {"precision_at_1": 0.5, "r_precision": 0.0, "map_at_r": next(scores)}
    )
    whole = train(settings_of(pictures), tmp_path / "whole", progress=False)
    model = load_embedder(whole.model)
    state = model.head.state_dict()
    assert state["means"].std() > 0
    assert not torch.equal(state["projections"][0], state["projections"][1])
    (tmp_path / "x").mkdir()
    again = Training(
        settings_of(pictures), RunFolder(tmp_path / "x"), prepare_table(settings_of(pictures).data), progress=False
    )
    scores = iter([0.9, 0.1])
    again._measure_start()
    for name in ("directions", "centre", "means", "precisions", "priors"):  # stay as they were fitted
        assert torch.equal(again.embedder.head.state_dict()[name], state[name])
    picture = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    pair = Explainer(model).pair(*picture)
    assert pair.completeness_error < 1e-5
    step, scores = Training._step, iter([0.9, 0.1, 0.5, 0.5])

    def cut(self: Training, *arguments: Any) -> None:
        if self.position.step == 4:
            raise KeyboardInterrupt
        step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", cut)
        with pytest.raises(KeyboardInterrupt):
            train(settings_of(pictures), tmp_path / "cut", progress=False)
    train(settings_of(pictures), tmp_path / "cut", progress=False)
    assert numbers_of(tmp_path / "cut") == numbers_of(whole.path)
    ours, theirs = ((run / "model" / "model.safetensors").read_bytes() for run in (tmp_path / "cut", whole.path))
    assert np.all([ours == theirs])


def test_it_is_fitted_inside_the_subspaces_of_a_division(tmp_path: Path, pictures: Path) -> None:
    method = {"method": {"name": "division", "subspaces": 2, "every": 1, "progressive": False}}
    run = train(settings_of(pictures, method, {"epochs": 1, "data": {"fold": None}}), tmp_path / "run", progress=False)
    model = load_embedder(run.model)
    assert model.subspaces == 2
    assert model.learned_head.state_dict()["means"].std() > 0


def test_too_few_pictures_are_said(tmp_path: Path, pictures: Path) -> None:
    settings = settings_of(pictures)
    settings.model.head["components"] = 40
    with pytest.raises(KinsightError, match="fitted to at least 40 training pictures and 24 can be read"):
        train(settings, tmp_path / "run", progress=False)
