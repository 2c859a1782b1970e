"""kinsight.load: the model of a run or model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from kinsight.errors import KinsightError
from kinsight.models import Embedder, Model, TwoStreams, load_model
from kinsight.registry import own_code as allowing_own_code
from kinsight.registry import running_own_code
from kinsight.runs.folder import RunFolder


def load(path: str | Path, device: str | torch.device = "cpu", *, own_code: bool = False) -> Model:
    """The model of a run folder (its best checkpoint), or of a model folder: an Embedder, or TwoStreams.

    Args:
        own_code: the trunk or the head is a class of your own, which is imported by the path that the folder names. Never for folders of
            others: importing runs what stands there. As `with kinsight.own_code():` does it for every function.

    Raises:
        KinsightError: there is no model, its files do not belong together, or it needs a class and `own_code` is not given.
    """
    run = RunFolder(path)
    with allowing_own_code(own_code or running_own_code()):
        return load_model(run.trained_model() if run.exists else Path(path), device=device)


def load_one_stream(path: str | Path, device: str | torch.device = "cpu") -> Embedder:
    """As `load`, where a model of one stream is needed.

    Raises:
        KinsightError: the model has two, or see `load`.
    """
    model = load(path, device=device)
    if isinstance(model, TwoStreams):
        raise KinsightError(
            f"{path} has a model of two streams ({' and '.join(model.names)}), and this needs one of a single stream; `kinsight evaluate`, "
            "`explain`, `embed` and `atlas` take both kinds"
        )
    return model
