"""What may still belong to the k best of each query while the blocks stream by."""

from __future__ import annotations

from threading import Lock

import numpy as np
import torch
from torch import Tensor

_PENDING = 1 << 18  # at least so many notes are gathered before the lists are sorted again
_SPARE = 64


class Crowded(Exception):  # noqa: N818 - a turn of events, not an error
    """Too many items lie within the error of the products around the k-th best; exact products are needed."""


class Shortlist:
    """For each query the items whose product lies within twice the margin of the k-th best product, or above.

    If t is the k-th best product and m bounds the error, k items have a true value of at least t - m. An item with a product below
    t - 2m has a true value below t - m and cannot be among the k best. With exact products the margin is zero and the list has k items.

    Args:
        queries: Q.
        k: how many are sought.
        margin: the bound m.
        exact: products are scores; ties are settled at once by the lower index.
    """

    def __init__(self, queries: int, k: int, margin: float, *, exact: bool, device: torch.device) -> None:
        self.k, self.margin, self.exact = k, margin, exact
        self.threshold = torch.full((queries,), -torch.inf, device=device)  # (Q,)
        self.rows = torch.empty(0, dtype=torch.int64, device=device)  # (n,)
        self.columns = torch.empty(0, dtype=torch.int64, device=device)  # (n,)
        self._values = torch.empty(0, device=device)  # (n,)
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._count = 0
        self._lock = Lock()

    def add(self, rows: Tensor, columns: Tensor, products: Tensor) -> None:
        """Note pairs that reached the threshold of their row; any thread may. (p,) each"""
        with self._lock:
            self._pending.append((rows, columns, products))
            self._count += len(rows)
            if self._count > max(_PENDING, len(self.rows)):
                self.settle()

    def settle(self) -> None:
        """Drop what can no longer win and raise the thresholds.

        Raises:
            Crowded: more than two lists' worth of items cannot be told apart.
        """
        kept = (self.rows, self.columns, self._values)
        rows, columns, values = (torch.cat(parts) for parts in zip(kept, *self._pending, strict=True))
        self._pending, self._count = [], 0
        if self.exact:
            rows, columns, values = self.best(rows, columns, values)
        else:
            order = _ascending(_key(rows, values), stable=False)
            rows, columns, values = rows[order], columns[order], values[order]
        heads, place = _places(rows)
        full = torch.nonzero(place == self.k - 1)[:, 0]  # the k-th best of each row that has k
        bound = values[full] - 2 * self.margin
        if self.exact:
            # Whoever comes later has a higher index and loses a tie.
            bound = torch.nextafter(bound, torch.full_like(bound, torch.inf))
        self.threshold[rows[full]] = bound
        if not self.exact:
            keep = (place < self.k) | (values >= self.threshold[rows])
            rows, columns, values = rows[keep], columns[keep], values[keep]
            if len(rows) > len(heads) * (2 * self.k + _SPARE):
                raise Crowded
        self.rows, self.columns, self._values = rows, columns, values

    def best(self, rows: Tensor, columns: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The k best of each row by value, then by lower column."""
        order = _ascending(columns, stable=False)
        order = order[_ascending(_key(rows[order], values[order]), stable=True)]
        rows, columns, values = rows[order], columns[order], values[order]
        keep = _places(rows)[1] < self.k
        return rows[keep], columns[keep], values[keep]


def _key(rows: Tensor, values: Tensor) -> Tensor:
    """One int64 that sorts by row, then by falling value."""
    bits = (values + 0.0).view(torch.int32).long()  # + 0.0 makes -0 the same as 0
    rising = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return (rows << 33) - rising


def _ascending(keys: Tensor, *, stable: bool) -> Tensor:
    if keys.device.type == "cpu":  # several times faster than torch there
        return torch.from_numpy(np.argsort(keys.numpy(), kind="stable" if stable else None))
    return torch.argsort(keys, stable=stable)


def _places(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of sorted rows, where each begins, and the place of every entry within its row."""
    index = torch.arange(len(rows), device=rows.device)
    new = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    new[1:] = rows[1:] != rows[:-1]
    heads = index[new]
    return heads, index - heads[torch.cumsum(new, 0) - 1]
