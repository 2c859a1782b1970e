"""Weights of a trunk: plain tensors from safetensors, never a pickle, fitted to the network by name."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.files import standing

_PREFIXES = ("module.", "_orig_mod.", "trunk.", "network.")
_CONVERT = (
    "convert it once where you trust it, with safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
    "'weights.safetensors')"
)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU.

    Raises:
        KinsightError: no such file, another format (pickles are refused), or a damaged file.
    """
    path = Path(path)
    if path.suffix.lower() in (".pth", ".pt", ".bin", ".pkl", ".ckpt", ".tar"):
        raise KinsightError(
            f"{path} may be a pickle, which can run code when read; give a .safetensors file ({_CONVERT})"
        )
    if not path.is_file():
        raise KinsightError(f"weights file {path} does not exist; give the path of a .safetensors file")
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as problem:
        raise KinsightError(
            f"{path} is not a readable safetensors file ({problem}); fetch it anew, or if it is a pickle {_CONVERT}"
        ) from None


def file_of(weights: str | Path) -> Path:
    """The file of tensors that is meant: the path itself, or the one in the folder of a model or of the run that made it."""
    path = Path(weights)
    inside = (path / "model.safetensors", standing(path / "model") / "model.safetensors")
    return next((file for file in inside if file.is_file()), path) if path.is_dir() else path


def fetch_weights(name: str, source: str | None) -> Path:
    """The local path of timm's pretrained weights, fetched from the Hugging Face hub unless they are here already.

    The only place where a model reaches the network, and only a safetensors file is asked for.

    Args:
        name: the timm name, for errors.
        source: the hub repository that timm's configuration names.

    Raises:
        KinsightError: timm names no such file, or it could not be fetched.
    """
    from huggingface_hub import hf_hub_download

    repair = "fetch it elsewhere and give the file with --model.weights FILE"
    if not source:
        raise KinsightError(f"timm has no pretrained weights for {name} on the Hugging Face hub; {repair}")
    try:
        return Path(hf_hub_download(source, filename="model.safetensors"))
    except Exception as problem:
        # The hub library raises errors of four libraries; each means the same to the user.
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise KinsightError(
            f"the pretrained weights of {name} could not be fetched from https://huggingface.co/{source} ({reason}); "
            f"{repair}"
        ) from None


def load_weights(
    network: nn.Module, tensors: dict[str, Tensor], *, source: str, not_needed: Sequence[str] = ()
) -> None:
    """Load named tensors into a timm network.

    The prefixes of wrappers are stripped and tensors of the classifier are ignored. Where the names then do not fit,
    they are converted by timm's own rule for this architecture, which knows its older forms.

    Args:
        network: a network of `timm.create_model`, whose values are replaced; they keep their dtype.
        tensors: values by name.
        source: what to call the tensors in an error.
        not_needed: parts the feature map does not depend on; their tensors may be missing.

    Raises:
        KinsightError: a tensor is missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    not_needed = tuple(f"{part}." for part in not_needed)
    optional = {name for name in wanted if name.endswith("num_batches_tracked") or name.startswith(not_needed)}
    named = _without_classifier(network, _stripped(network, tensors))
    problem = misfit(wanted, named, optional)
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if problem and convert is not None:
        try:
            named = _without_classifier(network, convert(dict(named), network))
        except Exception:
            # Written for weights of this architecture; on others it may stumble anywhere, and the misfit says why.
            named = {}
        problem = misfit(wanted, named, optional) and problem
    if problem:
        raise KinsightError(f"{source} does not fit: {problem}; give weights of this very network")
    network.load_state_dict(named, strict=False)


def _stripped(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if any(name.startswith("trunk.") for name in tensors) and not hasattr(network, "trunk"):
        # A whole Kinsight model: its head belongs to another job.
        tensors = {name: value for name, value in tensors.items() if not name.startswith("head.")}
    for prefix in _PREFIXES * 2:
        if tensors and not hasattr(network, prefix[:-1]) and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _without_classifier(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    classifier = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    layers = (classifier,) if isinstance(classifier, str) else classifier
    own = network.state_dict()
    heads = tuple(f"{layer}." for layer in layers)
    return {name: value for name, value in tensors.items() if name in own or not name.startswith(heads)}


def misfit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], optional: Collection[str] = ()) -> str:
    """In what named tensors differ in name or shape from the wanted ones; empty where they fit."""
    missing = [name for name in wanted if name not in given and name not in optional]
    unknown = [name for name in given if name not in wanted]
    other = [name for name in given if name in wanted and given[name].shape != wanted[name].shape]
    findings = []
    if missing:
        findings.append(f"{_some(missing)} missing")
    if unknown:
        findings.append(f"{_some(unknown)} not part of the network")
    if other:
        first = other[0]
        shapes = f"{first} has shape {tuple(given[first].shape)} where the network has {tuple(wanted[first].shape)}"
        findings.append(shapes + (f" (and {len(other) - 1} more)" if len(other) > 1 else ""))
    return ", ".join(findings)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return (
        f"{shown} and {len(names) - 3} more are" if len(names) > 3 else f"{shown} {'are' if len(names) > 1 else 'is'}"
    )
