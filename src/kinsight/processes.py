"""What a program asks of the processes it runs in: which device, which of how many, numbers gathered and broadcast.

The same for one process and many; `accelerate` reads how many there are from what torchrun and its like set.

`gather` carries the gradient of the full-batch loss. Each process holds a share of the batch. It gathers the embeddings of
all and computes the loss of the full batch: the loss of every other process, and of one process with the whole batch. What
the backward pass then does:

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
from accelerate import PartialState
from accelerate import utils as accelerate_utils
from torch import Tensor


def meet() -> None:
    """Let the processes find each other now rather than when one of them first asks; a process that stops soon after would look lost."""
    _state()


def device() -> torch.device:
    """Where the models of this process stand."""
    return _state().device


def rank() -> int:
    """Which process this is, from 0."""
    return int(_state().process_index)


def count() -> int:
    """How many processes there are."""
    return int(_state().num_processes)


def is_main() -> bool:
    """Whether this process is the one that writes and speaks."""
    return bool(_state().is_main_process)


def wait() -> None:
    """Wait until every process has come here."""
    _state().wait_for_everyone()


def broadcast(value: Tensor) -> Tensor:
    """The main process's `value` on every process, on the device where it was given; all give the same shape and dtype."""
    if count() == 1:
        return value
    return accelerate_utils.broadcast(value.to(device())).to(value.device)


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
    start = sum(sizes[: dist.get_rank()])
    own = slice(start, start + rows)
    return [_Gather.apply(share, sizes, own) for share in shares], own


def _state() -> PartialState:
    """Made at the first call and shared from then on; a process without CUDA stays on the CPU."""
    return PartialState(cpu=not torch.cuda.is_available())


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
