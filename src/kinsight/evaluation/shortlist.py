"""What may still belong to the k best of each query while the blocks stream by."""

from __future__ import annotations

from threading import Lock

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.products import Crowded, Products, ascending_bits

_PENDING = 1 << 18  # at least so many notes are gathered before the lists are sorted again
_SPARE = 64


class Shortlist:
    """For each query the items whose product comes so near to the k-th best product that they may belong to the k best.

    If t is the k-th best product and m + r |p| bounds the error of a product p, then k items have a true value of at least t - m - r |t|.
    An item with p + m + r |p| below that cannot be among the k best, and this holds for p < t - 2 (m + r |t|) / (1 - r). Products
    without error are scores: then the list has k items.

    Args:
        queries: Q.
        k: how many are sought.
        products: where the products come from; exact ones must arrive in the order of their columns.
    """

    def __init__(self, queries: int, k: int, products: Products) -> None:
        self.k, self.products = k, products
        device = products.device
        self.threshold = torch.full((queries,), -torch.inf, device=device)  # (Q,)
        self.rows = torch.empty(0, dtype=torch.int64, device=device)  # (n,)
        self.columns = torch.empty(0, dtype=torch.int64, device=device)  # (n,)
        self._values = torch.empty(0, device=device)  # (n,)
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._count = 0
        self._lock = Lock()

    def add(self, rows: Tensor, columns: Tensor, products: Tensor, queries: int) -> None:
        """Note pairs of so many queries that reached the threshold of their row; any thread may. (p,) each

        Raises:
            Crowded: as `settle`.
        """
        self._require_few(len(rows), queries)
        with self._lock:
            self._pending.append((rows, columns, products))
            self._count += len(rows)
            if self._count > max(_PENDING, len(self.rows) // 2):
                self.settle()

    def bound(self, values: Tensor) -> Tensor:
        """How low a product may be when these are the k-th best of the rows. (r,)"""
        relative = self.products.relative
        # Minus infinity, where there are no k yet, stays that also where there is no relative error: 0 * infinity is no number.
        size = values.abs().clamp(max=torch.finfo(values.dtype).max)
        return values - 2 * (self.products.margin + relative * size) / (1 - relative)

    def settle(self) -> None:
        """Drop what can no longer win and raise the thresholds.

        Raises:
            Crowded: more than about two lists' worth of items cannot be told apart.
        """
        kept = (self.rows, self.columns, self._values)
        rows, columns, values = (torch.cat(parts) for parts in zip(kept, *self._pending, strict=True))
        self._pending, self._count = [], 0
        if self.products.exact:
            rows, columns, values = self.best(rows, columns, values)
        else:
            order = _ascending(_key(rows, values), stable=False)
            rows, columns, values = rows[order], columns[order], values[order]
        within = _first(rows, self.k)
        last = torch.zeros_like(within)  # the k-th best of each row that has k
        last[self.k - 1 :] = within[self.k - 1 :] & (rows[self.k - 1 :] == rows[: max(len(rows) - self.k + 1, 0)])
        bound = self.bound(values[last])
        if self.products.exact:
            # Whoever comes later has a higher index and loses a tie.
            bound = torch.nextafter(bound, torch.full_like(bound, torch.inf))
        self.threshold[rows[last]] = bound
        if not self.products.exact:
            keep = within | (values >= self.threshold[rows])
            rows, columns, values = rows[keep], columns[keep], values[keep]
            self._require_few(len(rows), int(_first(rows, 1).sum()))
        self.rows, self.columns, self._values = rows, columns, values

    def _require_few(self, items: int, queries: int) -> None:
        if not self.products.exact and items > queries * (2 * self.k + _SPARE):
            raise Crowded

    def best(self, rows: Tensor, columns: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The k best of each row by value, then by lower column."""
        order = _ascending(columns, stable=False)
        order = order[_ascending(_key(rows[order], values[order]), stable=True)]
        rows, columns, values = rows[order], columns[order], values[order]
        keep = _first(rows, self.k)
        return rows[keep], columns[keep], values[keep]


def _key(rows: Tensor, values: Tensor) -> Tensor:
    """One int64 that sorts by row, then by falling value."""
    return (rows << 33).sub_(ascending_bits(values))


def _ascending(keys: Tensor, *, stable: bool) -> Tensor:
    if keys.device.type == "cpu":  # several times faster than torch there
        return torch.from_numpy(np.argsort(keys.numpy(), kind="stable" if stable else None))
    return torch.argsort(keys, stable=stable)


def _first(rows: Tensor, k: int) -> Tensor:
    """Which entries are among the first k of their row; rows are sorted."""
    out = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    out[k:] = rows[k:] != rows[: max(len(rows) - k, 0)]
    return out
