"""`protocol.json`: everything of data, model and training that moves a number."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

from kinsight import processes
from kinsight.data import describe, table_digest
from kinsight.models import Embedder
from kinsight.settings.training import DataSettings, TrainingSettings

LIBRARIES = ("kinsight", "torch", "torchvision", "timm", "pytorch-metric-learning", "accelerate", "numpy")


def data_protocol(table: pd.DataFrame, data: DataSettings) -> dict[str, Any]:
    """Which pictures, split how, and whether they are rendered."""
    rendered = "source" in table.columns and bool((table["source"] == "rendered").all())
    return {
        "source": os.path.basename(os.path.normpath(data.path)),
        "rendered": rendered,
        "split_by": data.split_by,
        "fold": data.fold,
        "folds": data.folds,
        "crop_to_box": data.crop_to_box,
        "augmentation": data.augmentation,
        "splits": describe(table),
        "digest": table_digest(table),
    }


def training_protocol(settings: TrainingSettings, embedder: Embedder, precision: str, steps: int) -> dict[str, Any]:
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
        },
        "training": {
            "loss": settings.objective.loss,
            "miner": settings.objective.miner,
            "diversity": settings.objective.diversity,
            "terms": settings.objective.terms,
            "batches": asdict(settings.batches),
            "optimizer": asdict(settings.optimizer),
            "schedule": asdict(settings.schedule),
            "epochs": settings.epochs,
            "steps": steps,
            "seed": settings.seed,
            "precision": precision,
            "processes": processes.count(),
            "device": device,
            "threads": torch.get_num_threads(),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
