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

_PAIRS = 256  # rows of one step of `scores` in float64: small enough for the cache
_PORTION = 1 << 14  # pairs that one worker takes at a time


class Products:
    """Blocks of products of `queries` (Q, D) with `gallery` (G, D), both float32 on one device.

    For the cosine a product is q.g. For the Euclidean distance it is -|q - g|^2 / 2, written as one product of lengthened vectors
    (q, -|q|^2/2, 1).(g, 1, -|g|^2/2), so that both similarities go the same way.

    Args:
        exact: products in float64, turned into scores; else in float32, with `margin` as the bound of their error.
    """

    def __init__(self, queries: Tensor, gallery: Tensor, similarity: Similarity, *, exact: bool) -> None:
        self.similarity, self.exact = similarity, exact
        dtype = torch.float64 if exact else torch.float32
        largest = 1.0  # bounds the sum of |q_i g_i|
        if similarity == "euclidean":
            largest = 2 * max(_squares(queries).max().item(), _squares(gallery).max().item())
        # |computed - true| <= n u / (1 - n u) * sum |q_i g_i| for a sum of n terms in any order (Higham, "Accuracy and Stability of
        # Numerical Algorithms", 3.1), and sum |q_i g_i| <= |q| |g|. The slack covers the lengths and the rounding of lengths and scores.
        terms = (queries.shape[1] + 8) * torch.finfo(dtype).eps / 2
        self.margin = 0.0 if exact else 1.01 * largest * terms / (1 - terms)
        self._zero = 2 * largest * terms
        self._queries = self._table(queries, dtype, swap=False)
        same = gallery is queries and similarity == "cosine"
        self._gallery = self._queries if same else self._table(gallery, dtype, swap=True)
        self._memory = local()  # fresh memory for every block would cost its first touch

    def block(self, rows: slice, columns: slice) -> Tensor:
        """float32 (r, c), valid until the same thread's next call; zero rows stand for what lies behind the end of a table."""
        ours, theirs = _rows(self._queries, rows), _rows(self._gallery, columns)
        memory = getattr(self._memory, "block", None)
        if memory is None or memory.numel() < len(ours) * len(theirs):
            memory = self._memory.block = torch.empty(len(ours) * len(theirs), dtype=ours.dtype, device=ours.device)
        out = torch.mm(ours, theirs.T, out=memory[: len(ours) * len(theirs)].view(len(ours), len(theirs)))  # (r, c)
        if not self.exact:
            return out
        if self.similarity == "euclidean":
            # The product of two equal vectors is zero up to rounding; its root would not be.
            out = out.mul_(-2).masked_fill_(out < self._zero, 0).sqrt_().neg_()
        return out.float()

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


def _rows(table: Tensor, part: slice) -> Tensor:
    rows = table[part]
    missing = part.stop - part.start - len(rows)
    return torch.cat([rows, rows.new_zeros(missing, table.shape[1])]) if missing else rows


def scores(queries: Tensor, gallery: Tensor, rows: Tensor, columns: Tensor, similarity: Similarity) -> Tensor:
    """The score of each pair (row, column): the cosine of unit vectors, or minus the Euclidean distance. float32 (P,)"""
    out = torch.empty(len(rows), dtype=torch.float32, device=queries.device)

    def fill(begin: int) -> None:
        for start in range(begin, min(begin + _PORTION, len(rows)), _PAIRS):
            step = slice(start, start + _PAIRS)
            ours, theirs = queries[rows[step]].double(), gallery[columns[step]].double()  # (p, D)
            if similarity == "cosine":
                out[step] = ours.mul_(theirs).sum(1).float()
            else:
                out[step] = ours.sub_(theirs).square_().sum(1).sqrt_().neg_().float()

    work(fill, [(begin,) for begin in range(0, len(rows), _PORTION)], workers(queries.device))
    return out


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


def _squares(vectors: Tensor) -> Tensor:
    out = torch.empty(len(vectors), dtype=torch.float64, device=vectors.device)
    for start in range(0, len(vectors), 8192):
        out[start : start + 8192] = vectors[start : start + 8192].double().square_().sum(1)
    return out
