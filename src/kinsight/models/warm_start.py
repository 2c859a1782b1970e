"""Starting from a trained model instead of a file of weights: its folder, or that of the run that made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.files import standing
from kinsight.models.embedder import Embedder
from kinsight.models.storage import CONFIG, TENSORS, read_model
from kinsight.models.subspaces import SubspacesHead
from kinsight.models.two_streams import TwoStreams
from kinsight.models.weights import misfit

_IN_A_RUN = "model"


def model_folder(weights: str | Path | None) -> Path | None:
    """The model folder that `model.weights` names, itself or as a run; None where it names no folder.

    Raises:
        KinsightError: a folder that holds no model.
    """
    if weights is None or not Path(weights).is_dir():
        return None
    for folder in (Path(weights), standing(Path(weights) / _IN_A_RUN)):
        if (folder / CONFIG).is_file() and (folder / TENSORS).is_file():
            return folder
    raise KinsightError(
        f"{weights} holds no trained model; give a run that has one, a model folder, or a .safetensors file as model.weights"
    )


def settings_of_model(folder: Path) -> dict[str, Any]:
    """The model settings that a model folder was saved with.

    Raises:
        KinsightError: it holds two streams, which nothing starts from.
    """
    settings = dict(read_model(folder)[0]["settings"])
    if "streams" in settings:
        raise KinsightError(
            f"{folder} holds a model of two streams, and a training starts from one of a single stream, whose trunk both take; give one, "
            "or a .safetensors file as model.weights"
        )
    return settings


def take_head(embedder: Embedder | TwoStreams, weights: str | Path | None) -> str | None:
    """Give the head the values that the named model has, if it is of the same kind and shape.

    A head of subspaces around the model's kind takes them inside: division starts from what a plain run has learned.

    Returns:
        What was taken, as a sentence; None where the weights are no model. Of two streams each takes the trunk alone.
    """
    folder = model_folder(weights)
    if folder is None or isinstance(embedder, TwoStreams):
        return None
    config, tensors = read_model(folder)
    values = {name.removeprefix("head."): value for name, value in tensors.items() if name.startswith("head.")}
    head, wanted, found = embedder.head, embedder.settings.head, config["settings"].get("head", {})
    if isinstance(head, SubspacesHead) and found.get("name") != wanted["name"]:
        head, wanted = head.head, wanted["head"]
    problem = (
        f"it is {found.get('name')}" if found.get("name") != wanted.get("name") else misfit(head.state_dict(), values)
    )
    if problem:
        return f"starting from {weights}: its trunk was taken; its head does not fit ({problem}) and starts anew"
    head.load_state_dict(values)
    return f"starting from {weights}: its trunk and its head were taken"
