"""Checkpoints put everything back, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.settings.training import OptimizerSettings
from kinsight.training.checkpoints import Position, load_checkpoint, newest_checkpoint, read_position, save_checkpoint
from kinsight.training.optimizers import make_optimizer

SCALER = torch.amp.GradScaler("cpu", enabled=False)


class Small(nn.Module):
    """A convolution in the memory layout of training, a head, and a proxy that a loss would learn."""

    def __init__(self, seed: int, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, width))
        self.loss = nn.Linear(width, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.loss(self.head(self.trunk(images))).square().mean()


def optimizer_of(model: Small, name: str) -> torch.optim.Optimizer:
    return make_optimizer(OptimizerSettings(name=name), model.trunk, model.head, model.loss.parameters())  # type: ignore[arg-type]


def advance(model: Small, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad(set_to_none=True)
        model(images.contiguous(memory_format=torch.channels_last)).backward()
        optimizer.step()


def modules(model: Small) -> dict[str, nn.Module]:
    return {"model": model, "objective": nn.Identity()}


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop"])
def test_a_resumed_optimizer_goes_on_bit_by_bit(tmp_path: Path, name: str) -> None:
    model = Small(0)
    optimizer = optimizer_of(model, name)
    advance(model, optimizer, range(3))
    position = Position(epoch=1, batch=2, step=3, best=0.1 + 0.2, best_step=2, since_best=1, window={"loss": 1 / 3})
    save_checkpoint(tmp_path, position, modules(model), optimizer, SCALER)
    advance(model, optimizer, range(3, 6))

    other = Small(1)
    resumed = optimizer_of(other, name)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert load_checkpoint(checkpoint, modules(other), resumed, SCALER) == position == read_position(checkpoint)
    advance(other, resumed, range(3, 6))
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    averages = [
        value
        for state in resumed.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.ndim == 4
    ]
    assert averages
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in averages)


def test_nothing_of_it_is_a_pickle(tmp_path: Path) -> None:
    model = Small(0)
    optimizer = optimizer_of(model, "adamw")
    advance(model, optimizer, range(1))
    save_checkpoint(tmp_path, Position(step=1), modules(model), optimizer, SCALER)
    files = sorted(file.name for file in (tmp_path / "step-000000001").iterdir())
    assert files == ["model.safetensors", "objective.safetensors", "optimizer.safetensors", "state.json"]
    assert json.loads((tmp_path / "step-000000001" / "state.json").read_text())["position"]["step"] == 1


def test_the_newest_one_stays_and_litter_of_kills_goes(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None
    model = Small(0)
    optimizer = optimizer_of(model, "sgd")
    save_checkpoint(tmp_path, Position(step=9), modules(model), optimizer, SCALER)
    half = tmp_path / ".step-000000010.abc.part"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert newest_checkpoint(tmp_path) == tmp_path / "step-000000009"
    save_checkpoint(tmp_path, Position(step=10), modules(model), optimizer, SCALER)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-000000010"]


def test_a_checkpoint_of_another_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    model = Small(0)
    save_checkpoint(tmp_path, Position(step=1), modules(model), optimizer_of(model, "sgd"), SCALER)
    other = Small(0, width=5)
    with pytest.raises(
        KinsightError, match=r"does not fit the model of this run \(head\.3\.bias has shape .*start anew$"
    ):
        load_checkpoint(tmp_path / "step-000000001", modules(other), optimizer_of(other, "sgd"), SCALER)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    model = Small(0)
    save_checkpoint(tmp_path, Position(step=1), modules(model), optimizer_of(model, "sgd"), SCALER)
    file = tmp_path / "step-000000001" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(KinsightError, match="is not a readable safetensors file"):
        load_checkpoint(file.parent, modules(model), optimizer_of(model, "sgd"), SCALER)
    (file.parent / "state.json").write_text("{}")
    with pytest.raises(KinsightError, match=r"state\.json is damaged"):
        read_position(file.parent)
