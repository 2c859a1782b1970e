"""kinsight.load: the model of a run or model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from kinsight.models import Embedder, load_embedder
from kinsight.registry import own_code as allowing_own_code
from kinsight.registry import running_own_code
from kinsight.runs.folder import RunFolder


def load(path: str | Path, device: str | torch.device = "cpu", *, own_code: bool = False) -> Embedder:
    """The model of a run folder (its best checkpoint), or of a model folder.

    Args:
        own_code: the trunk or the head is a class of your own, which is imported by the path that the folder names. Never for folders of
            others: importing runs what stands there. As `with kinsight.own_code():` does it for every function.

    Raises:
        KinsightError: there is no model, its files do not belong together, or it needs a class and `own_code` is not given.
    """
    run = RunFolder(path)
    with allowing_own_code(own_code or running_own_code()):
        return load_embedder(run.trained_model() if run.exists else Path(path), device=device)
