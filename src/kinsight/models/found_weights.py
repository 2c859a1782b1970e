"""Pretrained weights that are on this machine already, and what their network was fed with. Nothing here reaches the network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.frozen_norm import batch_norms
from kinsight.models.modes import evaluating
from kinsight.models.trunk import Trunk
from kinsight.pictures.preprocessing import IMAGENET_MEAN, IMAGENET_STD

VARIABLE = "KINSIGHT_WEIGHTS"
"""Environment variable: a .safetensors file, or a folder of them, each named after its network."""

HALF = (0.5, 0.5, 0.5)
FED = ((IMAGENET_MEAN, IMAGENET_STD), (HALF, HALF))
"""Mean and standard deviation that published weights were trained with: ImageNet's, or those that make -1 to 1 of a picture."""


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights, the timm network that it is for, and where it was found, in words."""

    file: Path
    trunk: str
    where: str


def find_weights(trunks: Sequence[str]) -> FoundWeights | None:
    """Weights of this machine: what the environment variable names, else of the first of the trunks that timm's cache holds.

    Args:
        trunks: timm names, the best first; of a folder's files one of the first of them is taken, and only else another network's.

    Raises:
        KinsightError: the variable names nothing, or no file of a network of timm.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return _named(Path(given).expanduser(), trunks)
    for trunk in trunks:
        config = timm.models.get_pretrained_cfg(trunk)
        cached = try_to_load_from_cache(config.hf_hub_id, "model.safetensors") if config and config.hf_hub_id else None
        if isinstance(cached, str):
            return FoundWeights(Path(cached), trunk, "fetched here before")
    return None


def trunk_of(file: str | Path) -> str | None:
    """The network of timm that a file is named after: mobilenetv2_100_imagenet1k.safetensors is for mobilenetv2_100."""
    stem = Path(file).name.removesuffix(".safetensors").lower()
    named = [
        name for name in timm.list_models() if stem == name or stem.startswith((f"{name}_", f"{name}.", f"{name}-"))
    ]
    return max(named, key=len, default=None)


def fed_with(trunk: Trunk, pictures: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation with which the first batch norm meets what it remembers from its training.

    Weights do not say what their network was fed with, but its first batch norm keeps mean and variance of what came in. Networks
    without one, and weights that fit nothing better, are taken at timm's word.

    Args:
        trunk: with its pretrained weights.
        pictures: (N, 3, H, W), brightness 0 to 1.
    """
    said = (trunk.default_mean, trunk.default_std)
    distances = {fed: _distance(trunk, pictures, *fed) for fed in dict.fromkeys((said, *FED))}
    if any(each is None for each in distances.values()):
        return said
    known = {fed: each for fed, each in distances.items() if each is not None}
    nearest = min(known, key=lambda fed: known[fed])
    return nearest if known[nearest] < 0.8 * known[said] else said


def _distance(
    trunk: Trunk, pictures: Tensor, mean: Sequence[float], std: Sequence[float]
) -> float | None:  # how far from what the first batch norm remembers
    columns = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    images = (pictures - next(columns)) / next(columns)  # (N, 3, H, W)
    seen: list[tuple[nn.Module, Tensor]] = []
    with ExitStack() as hooks, evaluating(trunk), torch.inference_mode():
        for norm in batch_norms(trunk):
            hook = norm.register_forward_pre_hook(
                lambda module, given: seen.append((module, given[0])) if not seen else None
            )
            hooks.callback(hook.remove)
        trunk(images)
    if not seen:
        return None
    first, values = seen[0]
    remembered: Tensor = first.running_var  # type: ignore[assignment]  # (C,)
    live = remembered > 1e-3 * remembered.median()
    spread = (values.var((0, 2, 3))[live] / remembered[live]).clamp(min=1e-6).log().abs()
    shift = (values.mean((0, 2, 3)) - first.running_mean)[live].abs() / remembered[live].sqrt()  # type: ignore[operator]
    return float(spread.median() + shift.mean())


def _named(given: Path, trunks: Sequence[str]) -> FoundWeights:
    if given.is_file():
        trunk = trunk_of(given)
        if trunk is None:
            raise KinsightError(
                f"{VARIABLE} names {given}, whose name begins with no network of timm; rename it, such as "
                "mobilenetv2_100_imagenet.safetensors, or give --model.trunk and --model.weights"
            )
        return FoundWeights(given, trunk, f"{VARIABLE}")
    found = list(_in_folder(given))
    if not found:
        raise KinsightError(
            f"{VARIABLE} names {given}, where there is no .safetensors file named after a network of timm; give such a file or its folder"
        )

    def rank(each: FoundWeights) -> tuple[int, bool, str]:
        place = trunks.index(each.trunk) if each.trunk in trunks else len(trunks)
        general = "imagenet" in each.file.name.lower() or "in1k" in each.file.name.lower()
        return place, not general, each.file.name

    return min(found, key=rank)


def _in_folder(folder: Path) -> Iterator[FoundWeights]:
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        trunk = trunk_of(file)
        if trunk is not None:
            yield FoundWeights(file, trunk, VARIABLE)
