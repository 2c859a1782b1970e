"""The scores of two tables of vectors: fast with a known error, or exact pair by pair.

Two numbers stand for one score. The *product* is one entry of a matrix product in float32 or float64: fast, but its last bits depend
on the shape of the block and on the device. The *score* is the same sum taken in float64 pair by pair and rounded to float32: it
depends on the two vectors alone. Products choose who is worth scoring; scores decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.evaluation.workers import work, workers

Similarity = Literal["cosine", "euclidean"]

_PAIRS = 512  # rows of one step of `scores` in float64: small enough for the cache
_PORTION = 1 << 14  # pairs that one worker takes at a time


def precisions(similarity: Similarity, device: torch.device) -> list[torch.dtype]:
    """The number formats of products that are worth trying here, the fastest first; the last one always serves."""
    # Only where the processor multiplies matrices of bfloat16 in hardware; elsewhere they are slower than float32.
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fastest = [torch.bfloat16] if device.type == "cpu" and similarity == "cosine" and known.get("amx_bf16") else []
    return [*fastest, torch.float32, torch.float64]


class Crowded(Exception):  # noqa: N818 - a turn of events, not an error
    """Too many items lie within the error of the products around a score that decides; more exact products are needed."""


class Products:
    """Blocks of products of `queries` (Q, D) with `gallery` (G, D), both float32 on one device.

    For the cosine a product is q.g. For the Euclidean distance it is -|q - g|^2 / 2, written as one product of lengthened vectors
    (q, -|q|^2/2, 1).(g, 1, -|g|^2/2), so that both similarities go the same way.

    Args:
        precision: float64 gives scores; of bfloat16 (cosine alone) and float32 the error of a product p is at most
            `margin + relative * |p|`.
    """

    def __init__(self, queries: Tensor, gallery: Tensor, similarity: Similarity, precision: torch.dtype) -> None:
        self.similarity, self.exact, self.device = similarity, precision == torch.float64, queries.device
        largest = 1.0  # bounds the sum of |q_i g_i|
        if similarity == "euclidean":
            largest = 2 * max(_squares(queries).max().item(), _squares(gallery).max().item())
        self._queries = self._table(queries, precision, swap=False)
        same = gallery is queries and similarity == "cosine"
        self._gallery = self._queries if same else self._table(gallery, precision, swap=True)
        # |computed - true| <= n u / (1 - n u) * sum |q_i g_i| for a sum of n terms in any order (Higham, "Accuracy and Stability of
        # Numerical Algorithms", 3.1), and sum |q_i g_i| <= |q| |g|. The slack covers the lengths and the rounding of lengths and
        # scores. Products of bfloat16 are summed in float32 too.
        terms = (queries.shape[1] + 8) * torch.finfo(torch.float64 if self.exact else torch.float32).eps / 2
        self.margin = 0.0 if self.exact else 1.01 * largest * terms / (1 - terms)
        self.relative = 0.0
        self._zero = 2 * largest * terms
        if precision == torch.bfloat16:
            # q.g - Q.G = (q - Q).g + Q.(g - G) for the rounded Q and G; what is left is the rounding of the product itself.
            ours = _largest_change(queries, self._queries)
            theirs = ours if same else _largest_change(gallery, self._gallery)
            self.margin += 1.01 * (ours + theirs + ours * theirs)
            self.relative = 1.01 * torch.finfo(torch.bfloat16).eps / 2
        self._memory = local()  # fresh memory for every block would cost its first touch

    def block(self, rows: slice, columns: slice) -> Tensor:
        """float32 (r, c), valid until the same thread's next call."""
        ours, theirs = self._queries[rows], self._gallery[columns]
        out = self._space(len(ours), len(theirs), ours.dtype)
        torch.mm(ours, theirs.T, out=out)  # (r, c)
        if self.exact and self.similarity == "euclidean":
            # The product of two equal vectors is zero up to rounding; its root would not be.
            out = out.mul_(-2).masked_fill_(out < self._zero, 0).sqrt_().neg_()
        if out.dtype == torch.float32:
            return out
        return self._space(len(ours), len(theirs), torch.float32).copy_(out)

    def _space(self, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        space: Tensor | None = getattr(self._memory, str(dtype), None)
        if space is None or space.numel() < rows * columns:
            space = torch.empty(rows * columns, dtype=dtype, device=self.device)
            setattr(self._memory, str(dtype), space)
        return space[: rows * columns].view(rows, columns)

    def _table(self, vectors: Tensor, dtype: torch.dtype, swap: bool) -> Tensor:
        count, width = vectors.shape
        if self.similarity == "cosine":
            return vectors.to(dtype)
        out = torch.empty(count, width + 2, dtype=dtype, device=vectors.device)
        out[:, :width] = vectors
        half, one = (width + 1, width) if swap else (width, width + 1)
        out[:, half] = _squares(vectors).mul_(-0.5).to(dtype)
        out[:, one] = 1
        return out


def at_least(block: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row, column and product of what reaches the threshold (r, 1) or (1, c) in a block (r, c). (n,) each"""
    if block.is_cuda:
        at = (block >= threshold).view(-1).nonzero()[:, 0]
    else:  # numpy is several times faster there
        at = torch.from_numpy(np.flatnonzero(block.numpy() >= threshold.numpy()))
    return at // block.shape[1], at % block.shape[1], block.view(-1)[at]


def scores(queries: Tensor, gallery: Tensor, rows: Tensor, columns: Tensor, similarity: Similarity) -> Tensor:
    """The score of each pair (row, column): the cosine of unit vectors, or minus the Euclidean distance. float32 (P,)"""
    out = torch.empty(len(rows), dtype=torch.float32, device=queries.device)

    def fill(begin: int) -> None:
        for start in range(begin, min(begin + _PORTION, len(rows)), _PAIRS):
            step = slice(start, start + _PAIRS)
            # float64 takes the other float32 as it is; a copy of it would cost as much again
            ours, theirs = (
                queries.index_select(0, rows[step]).double(),
                gallery.index_select(0, columns[step]),
            )  # (p, D)
            if similarity == "cosine":
                out[step] = ours.mul_(theirs).sum(1).float()
            else:
                out[step] = ours.sub_(theirs).square_().sum(1).sqrt_().neg_().float()

    work(fill, [(begin,) for begin in range(0, len(rows), _PORTION)], workers(queries.device))
    return out


def ascending_bits(values: Tensor) -> Tensor:
    """int32 that order as the float32 values do, minus zero with zero; same shape."""
    bits = (values + 0.0).view(torch.int32)
    return bits.bitwise_xor_(
        (bits >> 31).bitwise_and_(0x7FFFFFFF)
    )  # of a negative number the larger magnitude is the lower


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Float32 products are float32 products inside: no TF32, no bfloat16, no autocast, no gradient."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def device_named(device: str | torch.device | None) -> torch.device:
    """The device to compute on; None takes the GPU where CUDA has one, else the processor.

    Raises:
        KinsightError: the device has no float64, or is not there.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type not in ("cpu", "cuda"):
        raise KinsightError(f"device {device} has no float64 arithmetic; write cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise KinsightError(f"device {device} is not available here; write cpu")
    return device


def on_device(vectors: np.ndarray, device: torch.device) -> Tensor:
    """The rows as a tensor on the device; the memory is shared where that is possible."""
    return torch.from_numpy(vectors).to(device)


def _largest_change(vectors: Tensor, rounded: Tensor) -> float:
    changes = [
        (vectors[start : start + 8192] - rounded[start : start + 8192].float()).norm(dim=1).max().item()
        for start in range(0, len(vectors), 8192)
    ]
    return max(changes)


def _squares(vectors: Tensor) -> Tensor:
    out = torch.empty(len(vectors), dtype=torch.float64, device=vectors.device)
    for start in range(0, len(vectors), 8192):
        out[start : start + 8192] = vectors[start : start + 8192].double().square_().sum(1)
    return out
