"""Checkpoints without pickle: tensors as safetensors, everything else as JSON.

A checkpoint is a folder that takes its name only when complete, so whatever kills the run, the newest one is whole. There is no
generator state in it: batches, augmentation, miners and dropout are functions of (seed, step), so the position is enough.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from kinsight.errors import KinsightError
from kinsight.files import read_json, write_json, writing_folder


@dataclass
class Position:
    """Where a run stands: the next batch to be trained and what has been seen so far."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int | None = None
    since_best: int = 0
    window_loss: float = 0.0
    window_steps: int = 0
    seconds: float = 0.0
    finished: bool = False


def save_checkpoint(
    folder: Path,
    position: Position,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: Any = None,
) -> None:
    """Write `folder/step-…` whole, then drop the older ones."""
    target = folder / f"step-{position.step:09d}"
    tensors, plain = _flatten(optimiser.state_dict()["state"])
    with writing_folder(target) as temporary:
        for name, module in modules.items():
            state = {key: value.contiguous() for key, value in module.state_dict().items()}
            save_file(state, temporary / f"{name}.safetensors")
        save_file(tensors, temporary / "optimiser.safetensors")
        state_of_scaler = scaler.state_dict() if scaler is not None else None
        write_json(
            temporary / "state.json", {"position": asdict(position), "optimiser": plain, "scaler": state_of_scaler}
        )
    for older in folder.glob("step-*"):
        if older != target:
            shutil.rmtree(older, ignore_errors=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None."""
    return max(folder.glob("step-*"), default=None)


def load_checkpoint(
    checkpoint: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, scaler: Any = None
) -> Position:
    """Put everything back where it was.

    Raises:
        KinsightError: the checkpoint is of another model or another loss.
    """
    state = read_json(checkpoint / "state.json")
    for name, module in modules.items():
        try:
            module.load_state_dict(load_file(checkpoint / f"{name}.safetensors"))
        except (RuntimeError, OSError) as problem:
            raise KinsightError(
                f"{checkpoint} does not fit the {name} of this run ({_first_line(problem)}); it belongs to other settings: "
                "choose another --out, or remove the checkpoints folder to start anew"
            ) from None
    tensors = load_file(checkpoint / "optimiser.safetensors")
    optimiser.load_state_dict(
        {"state": _unflatten(tensors, state["optimiser"]), "param_groups": optimiser.state_dict()["param_groups"]}
    )
    if scaler is not None and state["scaler"] is not None:
        scaler.load_state_dict(state["scaler"])
    return Position(**state["position"])


def _flatten(state: dict[int, dict[str, Any]]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, Any] = {}
    for index, values in state.items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.contiguous()
            else:
                plain[f"{index}.{key}"] = value
    return tensors, plain


def _unflatten(tensors: dict[str, torch.Tensor], plain: dict[str, Any]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return state


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0])[:200] if lines else type(problem).__name__
