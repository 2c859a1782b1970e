"""Checkpoints put everything back, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.settings.training import OptimizerSettings
from kinsight.training.checkpoints import Position, load_checkpoint, newest_checkpoint, read_position, save_checkpoint
from kinsight.training.optimizers import make_optimizer
from kinsight.training.parameter_groups import parameter_groups

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
    settings = OptimizerSettings(name=name)  # type: ignore[arg-type]
    return make_optimizer(settings, parameter_groups(settings, trunk=model.trunk, head=model.head, loss=model.loss))


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


def saved(tmp_path: Path, name: str = "adamw") -> tuple[Path, Small, torch.optim.Optimizer]:
    model = Small(0)
    optimizer = optimizer_of(model, name)
    advance(model, optimizer, range(1))
    save_checkpoint(tmp_path, Position(step=1), modules(model), optimizer, SCALER)
    return tmp_path / "step-000000001", model, optimizer


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("position", [], r"state\.json is damaged: it: position is \[\], not an object with names; remove .* anew"),
        ("position", {"step": "many"}, "position: step is 'many', not a whole number"),
        ("position", {"step": True}, "step is True, not a whole number"),
        ("position", {"step": 1.5}, "step is 1.5, not a whole number"),
        ("position", {"step": -1}, "its position is before the beginning"),
        ("position", {"best": "high"}, "best is 'high', not a number"),
        ("position", {"window": {"loss": []}}, r"window.loss is \[\], not a number"),
        ("position", {"stage": 1}, "its position has an unknown stage"),
        ("position", {"finished": 1}, "finished is 1, not true or false"),
        ("optimizer", [], "optimizer is .*, not an object with names"),
        ("optimizer", {"0.step": "x"}, "optimizer.0.step is 'x', not a number"),
        ("optimizer", {"zero.step": 1.0}, "its optimizer has an entry 'zero.step'"),
        ("optimizer", {"-1.step": 1.0}, "its optimizer has an entry '-1.step'"),
        ("optimizer", {"nonsense": 1.0}, "its optimizer has an entry 'nonsense'"),
        ("optimizer", {"9.exp_avg": 1.0}, "its optimizer has parameter 9 where the run has 8"),
        ("optimizer", {"0.exp_avg": None}, "exp_avg of parameter 0 in its optimizer has another kind or shape"),
        ("optimizer", {"0.more": None}, "its optimizer keeps exp_avg, exp_avg_sq, more, step where AdamW keeps"),
        ("scaler", 3, "scaler is 3, not an object with names"),
    ],
)
def test_a_checkpoint_of_a_stranger_is_refused(tmp_path: Path, part: str, value: Any, said: str) -> None:
    checkpoint, model, optimizer = saved(tmp_path)
    file = checkpoint / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, part: value}))
    with pytest.raises(KinsightError, match=said):
        load_checkpoint(checkpoint, modules(model), optimizer, SCALER)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"position": {}}', b"9" * 5000])
def test_a_state_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    checkpoint, _, _ = saved(tmp_path)
    (checkpoint / "state.json").write_bytes(content)
    with pytest.raises(KinsightError, match=r"state\.json"):
        read_position(checkpoint)


def test_averages_of_another_name_shape_or_optimizer_are_refused(tmp_path: Path) -> None:
    checkpoint, model, optimizer = saved(tmp_path)
    file = checkpoint / "optimizer.safetensors"
    tensors = load_file(file)
    for changed, said in (
        ({"0.exp_avg": torch.zeros(3)}, "exp_avg of parameter 0 in its optimizer has another kind or shape"),
        ({"0.step": torch.zeros(7)}, "step of parameter 0 in its optimizer has another kind or shape"),
        ({"x.exp_avg": torch.zeros(3)}, "its optimizer has an entry 'x.exp_avg'"),
        ({"99.exp_avg": torch.zeros(3)}, "its optimizer has parameter 99"),
    ):
        save_file({**tensors, **changed}, file)
        with pytest.raises(KinsightError, match=said):
            load_checkpoint(checkpoint, modules(model), optimizer, SCALER)
    save_file(tensors, file)
    with pytest.raises(KinsightError, match="its optimizer keeps exp_avg, exp_avg_sq, step where SGD keeps momentum"):
        load_checkpoint(checkpoint, modules(model), optimizer_of(model, "sgd"), SCALER)
    scaler = torch.amp.GradScaler("cpu", enabled=True)
    with pytest.raises(KinsightError, match="its scaler is of another kind of run"):
        load_checkpoint(checkpoint, modules(model), optimizer, scaler)


def test_what_is_called_otherwise_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "step-last").mkdir()
    (tmp_path / "step-000000009").write_text("a file")
    assert newest_checkpoint(tmp_path) is None
    (tmp_path / "step-5").mkdir()
    (tmp_path / "step-000000012").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "step-000000012"
