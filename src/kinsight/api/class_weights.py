"""The class weights that a run's loss has learned, as CAM reads them: one number a channel for each picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models import Embedder, load_embedder
from kinsight.models.heads import LinearHead
from kinsight.models.modes import evaluating
from kinsight.models.weights import read_tensors
from kinsight.runs.folder import RunFolder
from kinsight.training.checkpoints import CLASSES, class_weights_file, newest_checkpoint

WITH_WEIGHTS = "norm-softmax, cosface or arcface"


def names_cam(methods: str | Sequence[str]) -> bool:
    """Whether cam is among the methods by its name; "all" are those that need no class weights."""
    return "cam" in ([methods] if isinstance(methods, str) else methods)


def class_weights_of(path: str | Path, model: Embedder, pictures: Sequence[Any], *, stage: int = 0) -> np.ndarray:
    """For each picture the classifier's row of the class that it predicts, over the channels of the last map (N, C).

    The classifier is the weight matrix of a loss that has one (normalized softmax, CosFace, ArcFace): what was kept with the best model,
    or what the newest checkpoint has for the last.
    Classes of the test half are none of its own, so every picture is asked for the class that it looks most like. Through average pooling
    and linear layers a class's weights on the embedding are weights on channels, which is what CAM is defined for (Visual Explanation,
    equation 1).

    Args:
        path: the run, or the folder of its last model inside it.
        model: the model itself, in whose embeddings classes are predicted.
        pictures: N pictures.
        stage: where the maps are drawn; CAM knows only the last map.

    Raises:
        KinsightError: no run, no such loss, a head that CAM is not defined for, or a model that is not the one of the weights.
    """
    if stage:
        raise KinsightError(
            f"cam has weights for the last map only, stage 0; leave out stage {stage}, or leave out cam"
        )
    run = _run(Path(path))
    of_embedding = _loss_weights(run, model)  # (D, classes)
    of_channels = _through_head(model) @ of_embedding  # (C, classes)
    vectors = torch.from_numpy(model.encode(list(pictures), normalize=True))  # (N, D)
    predicted = (vectors @ of_embedding).argmax(1)  # (N,)
    return of_channels.T[predicted].numpy()


def _run(path: Path) -> RunFolder:
    for folder in (path, path.parent):
        if RunFolder(folder).exists:
            return RunFolder(folder)
    raise KinsightError(
        f"{path} belongs to no run, whose loss has the class weights of cam; give a run, or leave out cam"
    )


def _loss_weights(run: RunFolder, model: Embedder) -> Tensor:
    """(D, classes), columns of length 1, as these losses compare them with embeddings."""
    digest, dim = model.digest(), model.dim
    file, checkpoint = class_weights_file(run.checkpoints, digest), newest_checkpoint(run.checkpoints)
    kept = file.is_file()
    tensors = {}
    if kept:
        tensors = read_tensors(file)
    elif checkpoint is not None:
        tensors = read_tensors(checkpoint / "objective.safetensors")
    found = [value for name, value in tensors.items() if name.split(".")[-1] == CLASSES and value.shape[:1] == (dim,)]
    if len(found) != 1 or found[0].ndim != 2:
        raise KinsightError(
            f"the loss of {run.path} has no weights of classes, which cam needs; train with --objective.loss {WITH_WEIGHTS}, or leave "
            "out cam"
        )
    last = run.trained_model("last")
    if not kept and load_embedder(last).digest() != digest:
        raise KinsightError(
            f"the class weights of {run.path} are those of its last step and not of its best model; measure both at one step: "
            f"which last (--which last), or explain {last}"
        )
    return nn.functional.normalize(found[0].float(), dim=0)


def _through_head(model: Embedder) -> Tensor:
    """(C, D): what each channel's mean adds to the embedding."""
    head = model.head
    affine = isinstance(head, LinearHead) and all(
        isinstance(layer, nn.Linear | nn.BatchNorm1d) for layer in head.layers
    )
    if not affine or model.settings.head.get("pooling", "avg") != "avg":
        raise KinsightError(
            "cam is defined for average pooling and linear layers, and the head of this model is another; leave out cam: decomposition is "
            "exact for every head"
        )
    assert isinstance(head, LinearHead)
    with torch.no_grad(), evaluating(head):
        device = next(model.parameters()).device
        basis = torch.eye(model.trunk.channels, device=device)
        return (head.layers(basis) - head.layers(torch.zeros_like(basis))).float().cpu()
