"""Checkpoints without pickle: tensors as safetensors, everything else as JSON.

A checkpoint is a folder that takes its name only when complete, so whatever kills the run, the newest one is whole. There is no
generator state in it: batches, augmentation, miners and dropout are functions of (seed, step), so the position is enough.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.files import sweep, write_json, writing, writing_folder
from kinsight.models.weights import misfit, read_tensors
from kinsight.reading import read_json_mapping
from kinsight.typed import from_plain, to_plain

CLASSES = "W"  # what losses of pytorch-metric-learning call their class weights
_NAME = re.compile(r"step-[0-9]{1,18}")


@dataclass
class Position:
    """Where a run stands: the next batch to be trained and what has been seen so far."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int | None = None
    chosen: dict[str, float] = field(default_factory=dict)  # all that the best one scored
    start: dict[str, float] = field(default_factory=dict)  # what the network scored before its first step
    best_trained: float | None = None  # the start left out
    since_best: int = 0
    window: dict[str, float] = field(default_factory=dict)
    window_steps: int = 0
    seconds: float = 0.0
    finished: bool = False
    planned: int = 0  # epochs of the training that it finished; 0: not told
    more: dict[str, Any] = field(default_factory=dict)  # what no position has, in a checkpoint that is none

    def is_end_of(self, epochs: int) -> bool:
        """Whether a training of that many epochs has ended here; one of fewer may have, and be extended."""
        return self.finished and (epochs <= self.planned or not self.planned)

    def count(self, values: Mapping[str, float]) -> None:
        """Add the losses of a step to those since the last line of the log."""
        self.window = {name: self.window.get(name, 0.0) + value for name, value in values.items()}
        self.window_steps += 1

    def means(self) -> dict[str, float]:
        """The mean losses since the last line of the log; they are counted anew from here."""
        means = {name: total / self.window_steps for name, total in self.window.items()}
        self.window, self.window_steps = {}, 0
        return means


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
        state = {"position": to_plain(position), "optimizer": plain, "scaler": scaler.state_dict()}
        write_json(temporary / "state.json", state)
    for older in folder.glob("step-*"):
        if older != target:
            shutil.rmtree(older, ignore_errors=True)
    sweep(folder)


def keep_class_weights(folder: Path, objective: nn.Module, digest: str) -> None:
    """Keep the class weights of a loss that has some beside the model of this digest, to which they belong; older ones are dropped."""
    weights = {
        name: value.contiguous() for name, value in objective.state_dict().items() if name.rpartition(".")[2] == CLASSES
    }
    if not weights:
        return
    target = class_weights_file(folder, digest)
    with writing(target) as temporary:
        save_file(weights, temporary)
    for older in folder.glob(class_weights_file(folder, "*").name):
        if older != target:
            older.unlink(missing_ok=True)


def class_weights_file(folder: Path, digest: str) -> Path:
    """Where the class weights that belong to a model are kept."""
    return folder / f"classes-of-{digest}.safetensors"


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None; what is called otherwise is none."""
    found = [entry for entry in folder.glob("step-*") if _NAME.fullmatch(entry.name) and entry.is_dir()]
    return max(found, key=lambda entry: int(entry.name.removeprefix("step-")), default=None)


def read_position(checkpoint: Path) -> Position:
    """Where the run stood.

    Raises:
        KinsightError: the checkpoint is damaged.
    """
    return _state(checkpoint).position


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
    known = _unflatten(read_tensors(checkpoint / "optimizer.safetensors"), state.optimizer, checkpoint)
    _check_optimizer(known, optimizer, checkpoint)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": _laid_out(known, optimizer), "param_groups": groups})
    try:
        scaler.load_state_dict(state.scaler)
    except (KeyError, RuntimeError, TypeError, ValueError):
        raise _damaged(checkpoint, "its scaler is of another kind of run") from None
    return state.position


@dataclass(frozen=True)
class _State:
    """`state.json`: everything of a checkpoint that is no tensor."""

    position: Position
    optimizer: dict[str, float | None]
    scaler: dict[str, Any]


def _state(checkpoint: Path) -> _State:
    file = checkpoint / "state.json"
    state = from_plain(_State, read_json_mapping(file), f"{file} is damaged: it", otherwise=_anew(checkpoint))
    position = state.position
    if position.more:
        raise _damaged(checkpoint, f"its position has an unknown {next(iter(position.more))}")
    if min(position.epoch, position.batch, position.step, position.since_best, position.window_steps) < 0:
        raise _damaged(checkpoint, "its position is before the beginning")
    return state


def _damaged(checkpoint: Path, reason: str) -> KinsightError:
    return KinsightError(f"{checkpoint} is damaged ({reason}); {_anew(checkpoint)}")


def _anew(checkpoint: Path) -> str:
    return f"remove {checkpoint.parent} to start anew"


def _check_optimizer(
    state: Mapping[int, Mapping[str, Any]], optimizer: torch.optim.Optimizer, checkpoint: Path
) -> None:
    """Whether the state is one of this optimizer: it loads any without a word, and stumbles, or goes wrong, at the next step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kinds = _state_of_one_step(optimizer)
    for index, values in state.items():
        if index >= len(parameters):
            raise _damaged(checkpoint, f"its optimizer has parameter {index} where the run has {len(parameters)}")
        if values.keys() != kinds.keys():
            expected, found = ", ".join(sorted(kinds)), ", ".join(sorted(values))
            raise _damaged(checkpoint, f"its optimizer keeps {found} where {type(optimizer).__name__} keeps {expected}")
        for key, value in values.items():
            kind, shape = kinds[key], parameters[index].shape
            fits = isinstance(value, Tensor) == isinstance(kind, Tensor) and (
                not isinstance(kind, Tensor) or value.shape == (shape if kind.ndim else kind.shape)
            )
            if not fits:
                raise _damaged(checkpoint, f"{key} of parameter {index} in its optimizer has another kind or shape")


def _state_of_one_step(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What this optimizer keeps of one parameter, a vector, after a step."""
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.zeros(2)
    options = inspect.signature(type(optimizer)).parameters
    trial = type(optimizer)(
        [parameter], **{key: optimizer.defaults[key] for key in options if key in optimizer.defaults}
    )
    trial.step()
    return dict(trial.state[parameter])


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


def _unflatten(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], checkpoint: Path) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain}.items():
        index, _, key = name.partition(".")
        if not (index.isascii() and index.isdecimal() and len(index) < 10 and key):
            raise _damaged(checkpoint, f"its optimizer has an entry {name[:60]!r}")
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
