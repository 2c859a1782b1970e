"""Runs with a relational head: trained, killed and gone on with, from features, divided, clipped, evaluated branch by branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import kinsight
from killed_runs import killed, train_and_die
from kinsight.explanation import Explainer
from kinsight.models import load_embedder
from kinsight.models.relational import RelationalHead
from kinsight.objectives import terms
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training import train
from kinsight.training.optimizers import clip_gradients
from tiny_run import EACH_STEP, TINY, numbers_of, weights_of

CHANGES: dict[str, Any] = {
    "objective": {"loss": {"name": "proxy-anchor"}, "miner": {"name": "none"}, "terms": {"whole": 10.0}},
    "epochs": 2,
}


def settings_of(pictures: Path, *changes: dict[str, Any], **head: Any) -> Any:
    plain = {**TINY, "model": {**TINY["model"], "head": {"name": "relational", "branches": 4, "dim": 16, **head}}}
    return settings_from(plain, {"data": {"path": str(pictures)}}, CHANGES, *changes)


def told(run: Path) -> list[list[int]]:
    return [line["assigned"] for line in RunFolder(run).history() if line["kind"] == "objective"]


@pytest.fixture(scope="module")
def related(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    return train(settings_of(pictures), tmp_path_factory.mktemp("related") / "run", progress=False).path


def test_every_branch_and_relation_learns_and_loads_are_logged(related: Path, pictures: Path) -> None:
    model = load_embedder(RunFolder(related).trained_model())
    assert isinstance(model.head, RelationalHead)
    assert all(sum(loads) == 24 and len(loads) == 4 for loads in told(related))
    assert len(told(related)) == 2
    lines = [line for line in numbers_of(related) if line["kind"] == "train"]
    assert all({"loss_assigned", "loss_whole", "loss_reconstruction"} < line.keys() for line in lines)
    picture = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    assert Explainer(model).pair(*picture).completeness_error < 1e-5


@pytest.mark.long
def test_killed_and_gone_on_with_it_comes_to_the_same_end(related: Path, pictures: Path, tmp_path: Path) -> None:
    settings = settings_of(pictures, EACH_STEP)
    assert killed(train_and_die, settings, tmp_path / "run", 4)
    train(settings, tmp_path / "run", progress=False)
    assert numbers_of(tmp_path / "run") == numbers_of(related)
    assert told(tmp_path / "run") == told(related)
    assert weights_of(tmp_path / "run") == weights_of(related)


@pytest.mark.long
def test_it_trains_from_features_as_from_pictures(pictures: Path, tmp_path: Path) -> None:
    still = {
        "optimizer": {"name": "sgd", "trunk_lr": 0.0, "head_lr": 0.005},
        "data": {"augmentation": "none"},
        "epochs": 1,
    }
    for once in ("auto", "never"):
        changes = still, {"features": {"once": once}}
        train(settings_of(pictures, *changes), tmp_path / once, progress=False)
    ours, theirs = (load_embedder(RunFolder(tmp_path / once).last_model) for once in ("auto", "never"))
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert told(tmp_path / "auto") == told(tmp_path / "never")
    assert (tmp_path / "auto" / "features").is_dir()


@pytest.mark.long
def test_a_collapsed_assignment_is_named_in_the_log_and_the_report(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "ALONE", 0.1)
    run = train(settings_of(pictures, {"epochs": 1, "optimizer": {"trunk_lr": 0.0}}), tmp_path / "run", progress=False)
    events = [line["message"] for line in run.history() if line["kind"] == "event"]
    assert sum("the assignment has collapsed" in event for event in events) == 1
    assert 0 < kinsight.evaluate(run.path, k=(1,), groups=True)["recall_at_1"] <= 1
    page = (run.path / "report.html").read_text()
    assert "the assignment has collapsed" in page
    assert "Pictures by branch" in page


@pytest.mark.long
def test_it_divides(pictures: Path, tmp_path: Path) -> None:
    method = {"method": {"name": "division", "subspaces": 2, "every": 1, "progressive": False}}
    run = train(settings_of(pictures, method, {"epochs": 1, "data": {"fold": None}}), tmp_path / "run", progress=False)
    model = load_embedder(run.trained_model())
    assert model.subspaces == 2
    assert (model.groups, model.unit_groups) == (4, 1)
    picture = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    pair = Explainer(model).pair(*picture)
    assert pair.completeness_error < 1e-5
    for number, share in enumerate(pair.subspaces):
        alone = model.subspace(number).encode(list(picture))
        assert share.similarity == pytest.approx(float(alone[0] @ alone[1]), abs=1e-5)


def test_gradients_are_clipped_together_or_apart() -> None:
    def norms(apart: bool) -> list[float]:
        layers = {name: nn.Parameter(torch.zeros(4)) for name in ("trunk", "head", "head.queries", "loss")}
        for parameter in layers.values():
            parameter.grad = torch.full((4,), 2.0)
        optimizer = torch.optim.SGD([{"params": [each], "name": name} for name, each in layers.items()], lr=1.0)
        clip_gradients(optimizer, 2.0, apart=apart)
        return [float(each.grad.norm()) for each in layers.values() if each.grad is not None]

    assert norms(apart=True) == pytest.approx([2, 2**0.5, 2**0.5, 2], rel=1e-4)
    assert norms(apart=False) == pytest.approx([2 / 3**0.5] * 3 + [4], rel=1e-4)
