"""Which arithmetic a network trains in: by a rule, so that equal commands give equal numbers, or the fastest, measured."""

from __future__ import annotations

import copy
import logging
import time

import torch
from torch import nn

from kinsight import processes
from kinsight.errors import KinsightError
from kinsight.models import Embedder, Model, TwoStreams
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings

logger = logging.getLogger("kinsight")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(settings: TrainingSettings, run: RunFolder, embedder: Model, *, still_epochs: int = 0) -> str:
    """The arithmetic of a run, the same on every process: as set, as found before a kill, by rule, or measured on the main process.

    A trunk that never trains stays in float32 where the rule decides: its features are computed once, and the rest gains nothing.

    Raises:
        KinsightError: fp16 is set where there is no GPU.
    """
    device = processes.device()
    if settings.precision == "fp16" and device.type == "cpu":
        raise KinsightError("precision fp16 needs a GPU; write fp32, bf16 or auto")
    if settings.precision in DTYPES:
        return settings.precision
    if settings.precision == "auto" and still_epochs == settings.epochs:
        return "fp32"
    names = list(DTYPES)
    chosen = torch.zeros((), dtype=torch.int64)
    if processes.is_main():
        timed: Embedder = embedder.stream(embedder.names[0]) if isinstance(embedder, TwoStreams) else embedder
        known = run.read_protocol().training.precision
        if known not in names:
            known = (
                ruled_precision(embedder.trunk, device)
                if settings.precision == "auto"
                else fastest_precision(
                    timed.trunk,
                    timed.preprocessing.height_width,
                    batch=min(32, max(1, settings.batches.size // processes.count())),
                    device=device,
                    channels_last=settings.channels_last,
                )
            )
        chosen += names.index(known)
    return names[int(processes.broadcast(chosen))]


def ruled_precision(trunk: nn.Module, device: torch.device) -> str:
    """bf16 where device and network gain by it, else fp32: the same answer every time.

    A GPU gains wherever it knows bfloat16. A processor gains where it has instructions for it and the network's convolutions are plain
    ones, as in a ResNet; depthwise ones (MobileNets) are faster in float32.
    """
    convolutions = [each for each in trunk.modules() if isinstance(each, nn.Conv2d)]
    if device.type == "cuda":
        choice, why = (
            ("bf16", "this GPU knows it") if torch.cuda.is_bf16_supported() else ("fp32", "this GPU knows no bfloat16")
        )
    elif not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        choice, why = "fp32", "this processor has no instructions for bfloat16"
    elif not convolutions or any(each.groups > 1 for each in convolutions):
        choice, why = "fp32", "on a processor only plain convolutions gain by bfloat16"
    else:
        choice, why = "bf16", "this processor has instructions for it, and the network has plain convolutions"
    logger.info("precision: %s (%s)", choice, why)
    return choice


def fastest_precision(
    trunk: nn.Module, size: tuple[int, int], *, batch: int, device: torch.device, channels_last: bool
) -> str:
    """Time a few training steps of a copy of the trunk in fp32 and bf16 and name the faster.

    MobileNets are faster in fp32 on many CPUs, ResNets in bf16: it depends on the network and the machine. bf16 must win by
    5 % to be taken, because it costs exactness.
    """
    candidates = ["fp32", "bf16"]
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        candidates = ["fp32", "fp16"]
    logger.info("timing the network in %s", " and ".join(candidates))
    images = torch.zeros(batch, 3, *size, device=device)  # (B, 3, H, W)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    trunk = copy.deepcopy(trunk)  # batch norm that is not frozen would take in these empty pictures
    seconds = {name: _seconds(trunk, images, name) for name in candidates}
    reduced = candidates[1]
    choice = reduced if seconds[reduced] < 0.95 * seconds["fp32"] else "fp32"
    timings = ", ".join(f"{name} {batch / seconds[name]:.0f} pictures/s" for name in candidates)
    logger.info("precision: %s (trunk alone: %s)", choice, timings)
    return choice


def _seconds(trunk: nn.Module, images: torch.Tensor, name: str, repeats: int = 3) -> float:
    best = float("inf")
    for attempt in range(repeats + 1):
        start = time.perf_counter()
        with torch.autocast(images.device.type, DTYPES[name], enabled=name != "fp32"):
            features = trunk(images)
        features.float().mean().backward()
        if images.device.type == "cuda":
            torch.cuda.synchronize()
        if attempt:  # the first one warms up
            best = min(best, time.perf_counter() - start)
    return best
