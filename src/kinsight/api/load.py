"""kinsight.load: the model of a run or model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from kinsight.models import Embedder, load_embedder
from kinsight.runs.folder import RunFolder


def load(path: str | Path, device: str | torch.device = "cpu") -> Embedder:
    """The model of a run folder (its best checkpoint), or of a model folder.

    Raises:
        KinsightError: there is no model, or its files do not belong together.
    """
    run = RunFolder(path)
    return load_embedder(run.trained_model() if run.exists else Path(path), device=device)
