"""A model as a folder: config.json says what it is, model.safetensors holds its values; nothing in it can run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.files import digest, standing, write_json, writing_folder
from kinsight.models.memory import MEGABYTE
from kinsight.models.weights import misfit, read_tensors
from kinsight.reading import read_json
from kinsight.registry import in_words, shown

FORMAT = "kinsight-model"
FORMAT_VERSION = 1
CONFIG, TENSORS = "config.json", "model.safetensors"
Model = TypeVar("Model", bound=nn.Module)


def digest_of(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of what decides a model's embeddings: its architecture (plain JSON values) and all its tensors."""
    parts: list[str | bytes] = [json.dumps(architecture, sort_keys=True)]
    for name in sorted(tensors):
        tensor = tensors[name]
        parts += [name, f"{tensor.dtype} {tuple(tensor.shape)}", _bytes(tensor)]
    return digest(*parts)


def write_model(folder: str | Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write the folder, whole or not at all, replacing an older model there.

    Raises:
        KinsightError: `folder` is something else than a model or an empty folder, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and ((folder / CONFIG).exists() or not any(folder.iterdir()))):
        raise KinsightError(f"{folder} exists and is not a model, so it is not replaced; choose another folder")
    versions = {library: version(library) for library in ("kinsight", "torch", "timm")}
    stamped = {"format": FORMAT, "format_version": FORMAT_VERSION, **config, "versions": versions}
    with writing_folder(folder) as temporary:
        write_json(temporary / CONFIG, stamped)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary / TENSORS)


def read_model(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors of a model folder.

    Raises:
        KinsightError: no such folder, a file is missing or damaged, or it is of another format.
    """
    folder = standing(folder)
    if not folder.is_dir():
        raise KinsightError(
            f"{folder} is not a folder; give the model folder of a run, which holds {CONFIG} and {TENSORS}"
        )
    if not (folder / CONFIG).is_file():
        raise KinsightError(f"{folder} holds no {CONFIG}; give the model folder of a run")
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise KinsightError(f"{folder / CONFIG} does not describe a Kinsight model; give the model folder of a run")
    if config.get("format_version") != FORMAT_VERSION:
        raise KinsightError(
            f"{folder} has model format {shown(config.get('format_version'))} and this Kinsight reads format "
            f"{FORMAT_VERSION}; install the version of Kinsight that its {CONFIG} names"
        )
    for key, kind in {"settings": dict, "preprocessing": dict, "digest": str}.items():
        if key not in config:
            raise KinsightError(f"{folder / CONFIG} has no {key}; restore the file or save the model anew")
        if not isinstance(config[key], kind):
            raise KinsightError(
                f"{key} in {folder / CONFIG} is {shown(config[key])}, not {in_words(kind)}; restore the file or save the model anew"
            )
    return config, read_tensors(folder / TENSORS)


def restored(
    model: Model,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    folder: str | Path,
    device: str | torch.device,
) -> Model:
    """The model with the tensors read from `folder`, on the device, in eval mode.

    Raises:
        KinsightError: tensors or config are not those that were saved, or there is no such device or no room there.
    """
    put_tensors(model, tensors, folder)
    if model.digest() != config["digest"]:  # type: ignore[operator]
        raise KinsightError(
            f"{folder} is not as it was saved (its digest differs): a file was changed or damaged; restore it"
        )
    try:
        return model.to(device).eval()
    except torch.OutOfMemoryError:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) / MEGABYTE
        raise KinsightError(
            f"the model ({size:,.0f} MB) does not fit into the memory that is free on device {str(device)!r}; free some, or use "
            "the CPU (device='cpu', or CUDA_VISIBLE_DEVICES= before the command)"
        ) from None
    except (RuntimeError, AssertionError) as problem:
        raise KinsightError(
            f"the model cannot be put on device {str(device)!r} ({problem}); write cpu, or cuda where there is one"
        ) from None


def put_tensors(module: nn.Module, tensors: Mapping[str, Tensor], folder: str | Path) -> None:
    """Give `module` the values and dtypes of the tensors read from `folder`.

    Raises:
        KinsightError: they are of another model.
    """
    own = module.state_dict()
    problem = misfit(own, tensors)
    if problem:
        raise KinsightError(
            f"{TENSORS} in {folder} is not of the model that {CONFIG} describes: {problem}; restore both files"
        )
    kinds = {tensor.dtype for name, tensor in tensors.items() if own[name].is_floating_point()}
    strange = [name for name, value in own.items() if value.is_floating_point() != tensors[name].is_floating_point()]
    if strange or len(kinds) > 1:
        what = (
            f"{strange[0]} holds {tensors[strange[0]].dtype}"
            if strange
            else f"its tensors hold {' and '.join(map(str, kinds))}"
        )
        raise KinsightError(f"{TENSORS} in {folder} is not of a model that can run: {what}; restore both files")
    # Copies, because tensors as read are views of the file: whoever wrote into it later would change or crash the model.
    module.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)


def _bytes(tensor: Tensor) -> bytes:
    # As bytes, because numpy has no bfloat16.
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
