"""What processes replicate: the embedder, its gradients averaged over them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kinsight import processes
from kinsight.models import Embedder, Embedding


def replicate(embedder: Embedder, *, compiled: bool, some_unused: bool) -> nn.Module:
    """A module (images, trunk_trains) -> Embedding of this process's share.

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


class _Forward(nn.Module):
    """The embedder, whose trunk may stand still (then nothing of it is kept for the backward pass)."""

    def __init__(self, embedder: Embedder, compiled: bool) -> None:
        super().__init__()
        self.embedder = embedder
        # In a tuple, so that the compiled copy is not registered a second time.
        self._trunk = (torch.compile(embedder.trunk) if compiled else embedder.trunk,)

    def forward(self, images: Tensor, trunk_trains: bool) -> Embedding:
        """(B, 3, H, W) -> embeddings of B pictures."""
        with torch.set_grad_enabled(trunk_trains and torch.is_grad_enabled()):
            features = self._trunk[0](images)  # (B, C, h, w)
        return self.embedder.head(features)
