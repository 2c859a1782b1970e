"""Every process sees the whole batch: tensors gathered over processes, with the gradient of the full-batch loss.

Each process holds a share of the batch. It gathers the embeddings of all and computes the loss of the full batch: the
loss of every other process, and of one process with the whole batch. What the backward pass then does:

* **Trunk.** `gather` hands back the gradient of the own share times the number of processes. DistributedDataParallel
  averages the trunk's gradients over processes, and the average of (number of processes x own share) is the sum over
  shares: exactly the gradient of one process. This holds for uneven shares.
* **Loss parameters** (proxies, class weights, beta). Every process computed the full loss, so each has the full
  gradient already: they must *not* be wrapped in DistributedDataParallel nor reduced. They start equal (a seed) and
  stay equal.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def gather(*shares: Tensor) -> tuple[list[Tensor], slice]:
    """The rows of all processes, in the order of their ranks, and which of them are this process's own.

    Args:
        shares: tensors with the same number of rows, (n, ...); n may differ between processes, the rest may not.

    Returns:
        one tensor (N, ...) per share, and the slice of the own rows. In a single process: the shares themselves.
    """
    rows = len(shares[0])
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return list(shares), slice(0, rows)
    sizes = _sizes(rows, shares[0].device)
    rank = dist.get_rank()
    start = sum(sizes[:rank])
    own = slice(start, start + rows)
    return [_Gather.apply(share, sizes, own) for share in shares], own


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, share: Tensor, sizes: list[int], own: slice) -> Tensor:
        ctx.own = own
        ctx.processes = len(sizes)
        # Collectives want equal shapes: pad to the largest share, cut afterwards.
        padded = share.new_zeros((max(sizes), *share.shape[1:]))
        padded[: len(share)] = share
        pieces = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(pieces, padded)
        return torch.cat([piece[:size] for piece, size in zip(pieces, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return gradient[ctx.own] * ctx.processes, None, None


def _sizes(rows: int, device: torch.device) -> list[int]:
    mine = torch.tensor([rows], device=device)
    sizes = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, mine)
    return [int(size) for size in torch.cat(sizes).tolist()]
