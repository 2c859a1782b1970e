"""`protocol.json`: everything of data, model and training that moves a number, and how the checkpoint was chosen.

All of it may be absent, for a run may be young or of another version; what this version does not know stays in `more`.
"""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

from kinsight import processes
from kinsight.data import describe, table_digest
from kinsight.models import Model
from kinsight.settings.model import ModelSettings
from kinsight.settings.training import DataSettings, TrainingSettings

LIBRARIES = ("kinsight", "torch", "torchvision", "timm", "pytorch-metric-learning", "accelerate", "numpy")
LAST_STEP = "last_step"


@dataclass(frozen=True)
class Selection:
    """Which step's model stands for a run.

    Attributes:
        by: the metric on validation classes whose best value chose it, such as `map_at_r`; `last_step` without validation classes.
        step: after how many optimizer steps.
        value: the best value.
        start: what the network had before its first step; where `step` is 0, it is the model of the run.
    """

    by: str
    step: int
    value: float | None = None
    start: float | None = None


@dataclass(frozen=True)
class SplitProtocol:
    """The pictures of a split."""

    pictures: int | None = None
    classes: int | None = None
    min_per_class: int | None = None
    median_per_class: float | None = None
    max_per_class: int | None = None
    queries: int | None = None
    gallery: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataProtocol:
    """Which pictures, split how, and whether they are rendered."""

    source: str | None = None
    rendered: bool | None = None
    split_by: str | None = None
    split: str | None = None  # "all": every picture trained, so that no class is unseen
    fold: int | None = None
    folds: int | None = None
    crop_to_box: bool | None = None
    augmentation: str | None = None
    splits: dict[str, SplitProtocol] = field(default_factory=dict)
    digest: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelProtocol:
    """How the model is built."""

    trunk: str | None = None
    weights: str | None = None
    pretrained: bool | None = None
    head: dict[str, Any] | None = None
    dim: int | None = None
    frozen_norm: str | None = None
    parameters: int | None = None
    digest: str | None = None
    group: int | None = None
    preprocessing: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingProtocol:
    """How it is trained, and on what machine."""

    loss: dict[str, Any] | None = None
    miner: dict[str, Any] | None = None
    diversity: dict[str, Any] | None = None
    terms: dict[str, Any] | None = None
    method: dict[str, Any] | None = None
    batches: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None
    epochs: int | None = None
    extended_from: list[int] | None = None  # epochs after which it had ended before it was given more
    steps: int | None = None
    seed: int | None = None
    still_epochs: int | None = None  # at the beginning, in which the trunk stood still; `epochs`: all the time
    features: dict[str, Any] | None = None  # what was read instead of pictures then
    saw_validation: bool | None = None  # the head was fitted anew to the validation classes too
    precision: str | None = None
    processes: int | None = None
    device: str | None = None
    threads: int | None = None
    steps_done: int | None = None
    minutes: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunProtocol:
    """`protocol.json`: everything of data, model and training that moves a number."""

    data: DataProtocol = field(default_factory=DataProtocol)
    model: ModelProtocol = field(default_factory=ModelProtocol)
    training: TrainingProtocol = field(default_factory=TrainingProtocol)
    versions: dict[str, str] = field(default_factory=dict)
    selection: Selection | None = None
    more: dict[str, Any] = field(default_factory=dict)


def data_protocol(table: pd.DataFrame, data: DataSettings) -> dict[str, Any]:
    """Which pictures, split how, and whether they are rendered."""
    rendered = "source" in table.columns and bool((table["source"] == "rendered").all())
    return {
        "source": os.path.basename(os.path.normpath(data.path)),
        "rendered": rendered,
        "split_by": data.split_by,
        "split": data.split,
        "fold": data.fold if data.split != "all" else None,
        "folds": data.folds,
        "crop_to_box": data.crop_to_box,
        "augmentation": data.augmentation,
        **({"stream_augmentation": data.stream_augmentation} if data.stream_augmentation else {}),
        "splits": describe(table),
        "digest": table_digest(table),
    }


def training_protocol(
    settings: TrainingSettings, embedder: Model, precision: str, steps: int, still_epochs: int
) -> dict[str, Any]:
    """How the model is built and trained, on what machine, with which versions."""
    device = (
        torch.cuda.get_device_name()
        if processes.device().type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "model": {
            "trunk": settings.model.trunk,
            "weights": os.path.basename(settings.model.weights) if settings.model.weights else None,
            "pretrained": settings.model.pretrained,
            "head": settings.model.head,
            "dim": embedder.dim,
            "frozen_norm": settings.model.frozen_norm,
            "parameters": sum(parameter.numel() for parameter in embedder.parameters()),
            "preprocessing": embedder.preprocessing.to_dict(),
            **_of_streams(settings.model),
        },
        "training": {
            "loss": settings.objective.loss,
            "miner": settings.objective.miner,
            "diversity": settings.objective.diversity,
            "terms": settings.objective.terms,
            "method": settings.method,
            "batches": asdict(settings.batches),
            "optimizer": asdict(settings.optimizer),
            "schedule": asdict(settings.schedule),
            "epochs": settings.epochs,
            "steps": steps,
            "seed": settings.seed,
            "still_epochs": still_epochs,
            "precision": precision,
            "processes": processes.count(),
            "device": device,
            "threads": torch.get_num_threads(),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _of_streams(model: ModelSettings) -> dict[str, Any]:
    """What is each stream's own; nothing of a model of one."""
    return {"streams": model.streams, "shared_head": model.shared_head} if model.streams else {}


@cache  # to look them up anew takes as long as an epoch of a head alone
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
