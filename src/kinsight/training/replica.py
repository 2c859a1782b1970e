"""What processes replicate: the embedder, its gradients averaged over them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kinsight import processes
from kinsight.models import Embedding, InStreams, Model


class Input(NamedTuple):
    """What a model is fed with: pictures (B, 3, H, W), each in its stream where there are two, or features of them; then `reads` says what
    of the trunk's maps they are."""

    values: Tensor | InStreams
    reads: str = ""


def replicate(embedder: Model, *, compiled: bool, some_unused: bool) -> nn.Module:
    """A module (`Input`, trunk_trains) -> Embedding of this process's share.

    Args:
        compiled: run the trunk through torch.compile.
        some_unused: the trunk may stand still, so that its parameters get no gradient in some steps.
    """
    forward = _Forward(embedder, compiled)
    if processes.count() == 1:
        return forward
    device = processes.device()
    devices = [device] if device.type == "cuda" else None
    return DistributedDataParallel(forward, device_ids=devices, find_unused_parameters=some_unused)


def share_buffers(module: nn.Module) -> None:
    """Give every process the buffers of the main one (batch-norm statistics, the state of a method), whose modules are saved."""
    if processes.count() > 1:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)


def laid_out(values: Tensor, device: torch.device, *, channels_last: bool) -> Tensor:
    """Pictures or maps (B, C, H, W), or vectors, where the model stands, in the memory layout that it trains in."""
    values = values.to(device, non_blocking=True)
    return values.contiguous(memory_format=torch.channels_last) if channels_last and values.ndim == 4 else values


class _Forward(nn.Module):
    """The embedder, whose trunk may stand still (then nothing of it is kept for the backward pass)."""

    def __init__(self, embedder: Model, compiled: bool) -> None:
        super().__init__()
        self.embedder = embedder
        # In a tuple, so that the compiled copy is not registered a second time.
        self._trunk = (torch.compile(embedder.trunk) if compiled else embedder.trunk,)

    def forward(self, given: Input, trunk_trains: bool) -> Embedding:
        """Pictures (B, 3, H, W) or features of them -> embeddings of B pictures."""
        if given.reads:
            return self.embedder.embed_features(*given)  # type: ignore[arg-type]  # each of its own kind
        with torch.set_grad_enabled(trunk_trains and torch.is_grad_enabled()):
            features = self._trunk[0](given.values)  # (B, C, h, w)
        return self.embedder.head(features)
