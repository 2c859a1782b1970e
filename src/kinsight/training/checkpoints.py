"""Checkpoints without pickle: tensors as safetensors, everything else as JSON.

A checkpoint is a folder that takes its name only when complete, so whatever kills the run, the newest one is whole. There is no
generator state in it: batches, augmentation, miners and dropout are functions of (seed, step), so the position is enough.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.files import sweep, write_json, writing_folder
from kinsight.models.weights import misfit, read_tensors
from kinsight.reading import read_json


@dataclass
class Position:
    """Where a run stands: the next batch to be trained and what has been seen so far."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int | None = None
    since_best: int = 0
    window: dict[str, float] = field(default_factory=dict)
    window_steps: int = 0
    seconds: float = 0.0
    finished: bool = False


def save_checkpoint(
    folder: Path,
    position: Position,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    """Write `folder/step-…` whole, then drop the older ones and what kills left behind."""
    target = folder / f"step-{position.step:09d}"
    tensors, plain = _flatten(optimizer.state_dict()["state"])
    with writing_folder(target) as temporary:
        for name, module in modules.items():
            values = {key: value.contiguous() for key, value in module.state_dict().items()}
            save_file(values, temporary / f"{name}.safetensors")
        save_file(tensors, temporary / "optimizer.safetensors")
        state = {"position": asdict(position), "optimizer": plain, "scaler": scaler.state_dict()}
        write_json(temporary / "state.json", state)
    for older in folder.glob("step-*"):
        if older != target:
            shutil.rmtree(older, ignore_errors=True)
    sweep(folder)


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None."""
    return max(folder.glob("step-*"), default=None)


def read_position(checkpoint: Path) -> Position:
    """Where the run stood.

    Raises:
        KinsightError: the checkpoint is damaged.
    """
    return Position(**_state(checkpoint)["position"])


def load_checkpoint(
    checkpoint: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> Position:
    """Put everything back where it was.

    Raises:
        KinsightError: the checkpoint is damaged, or of another model or another loss.
    """
    state = _state(checkpoint)
    for name, module in modules.items():
        tensors = read_tensors(checkpoint / f"{name}.safetensors")
        problem = misfit(module.state_dict(), tensors)
        if problem:
            raise KinsightError(
                f"{checkpoint} does not fit the {name} of this run ({problem}); it belongs to other settings: "
                "choose another --out, or remove the checkpoints folder to start anew"
            )
        module.load_state_dict(tensors)
    known = _unflatten(read_tensors(checkpoint / "optimizer.safetensors"), state["optimizer"])
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": _laid_out(known, optimizer), "param_groups": groups})
    scaler.load_state_dict(state["scaler"])
    return Position(**state["position"])


def _state(checkpoint: Path) -> dict[str, Any]:
    state = read_json(checkpoint / "state.json")
    if not isinstance(state, dict) or not {"position", "optimizer", "scaler"} <= set(state):
        raise KinsightError(f"{checkpoint / 'state.json'} is damaged; remove {checkpoint.parent} to start anew")
    return state


def _flatten(state: Mapping[int, Mapping[str, Any]]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for index, values in state.items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value.contiguous()
            else:
                plain[f"{index}.{key}"] = value
    return tensors, plain


def _unflatten(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return state


def _laid_out(state: dict[int, dict[str, Any]], optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    """Averages get the memory layout of their parameter: another one may take another path through the arithmetic."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in state.items():
        for key, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameters[index].shape:
                values[key] = torch.empty_like(parameters[index], dtype=value.dtype).copy_(value)
    return state
