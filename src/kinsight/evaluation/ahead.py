"""How many gallery items stand ahead of a query's positives: by products of known error, or by float64 products of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from kinsight.evaluation.products import Crowded, Products, ascending_bits, scores
from kinsight.evaluation.workers import work, workers

_BEYOND = 4.0  # fills up; above every cosine, whatever its error
_DOUBTFUL = (
    1 / 16
)  # of a block, whose pairs are scored one by one; with more of them float64 products of all are cheaper
_COLUMN = (1 << 32) - 1  # the lower half of a key
_NOTHING = torch.iinfo(torch.int64).max  # behind every key


@dataclass(frozen=True)
class Sought:
    """Some queries, and the gallery items whose ranks they seek.

    Attributes:
        queries: (q, D) float32.
        gallery: (G, D) float32.
        values: the scores of what is sought, each row falling, the lower column first among equals; filled up at its end (q, R).
        columns: where it stands in the gallery, -1 to fill up (q, R).
        keys: both in one number that rises as the ranking goes (q, R).
        never: pairs (query, gallery item) that must not meet, (n,) each.
    """

    queries: Tensor
    gallery: Tensor
    values: Tensor
    columns: Tensor
    keys: Tensor
    never: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, queries: Tensor, gallery: Tensor, pairs: tuple[Tensor, Tensor], never: tuple[Tensor, Tensor]) -> Sought:
        """What the pairs (query, gallery item), sorted by query, say."""
        rows, members = pairs
        counts = torch.bincount(rows, minlength=len(queries))
        within = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        shape = len(queries), max(int(counts.max()), 1)
        keys = torch.full(shape, _NOTHING, device=rows.device)
        keys = torch.full(shape, _NOTHING, device=rows.device)
        keys[rows, within] = _keys(scores(queries, gallery, rows, members, "cosine"), members)
        keys = _sorted(keys)
        missing = keys == _NOTHING
        values, columns = _values(keys).masked_fill_(missing, _BEYOND), (keys & _COLUMN).masked_fill_(missing, -1)
        return cls(queries, gallery, values, columns, keys, never)

    def spans(self, width: int) -> list[tuple[slice]]:
        """The gallery in parts."""
        return [(slice(at, min(at + width, len(self.gallery))),) for at in range(0, len(self.gallery), width)]

    def without_the_banned(self, block: Tensor, span: slice) -> Tensor:
        """The block (q, c), in place: what must not meet stands behind everything."""
        rows, columns = self.never
        gone = (columns >= span.start) & (columns < span.stop)
        block[rows[gone], columns[gone] - span.start] = -torch.inf
        return block


def ahead_by_products(sought: Sought, products: Products, rows: slice, width: int) -> Tensor:
    """How many gallery items stand ahead of each that is sought, by products that may err. (q, R)

    A product that is further from a sought score than it can err says on which side of it the item stands; only what lies nearer is
    scored, pair by pair. What lies below all of a query's sought scores is not looked at again.

    Args:
        products: of all queries with the gallery; `rows` of them are those of `sought`.
        width: gallery items at a time.

    Raises:
        Crowded: too many products lie too near to be told apart.
    """
    # |p - s| <= m + r |p| for the score s of a product p. For a sought score t it follows from p > t + (m + r |t|) / (1 - r) that
    # s > t, and from p < t - (m + r |t|) / (1 - r) that s < t.
    values = sought.values
    error = (products.margin + products.relative * values.abs()) / (1 - products.relative)
    low = torch.nextafter(values - error, torch.full_like(values, -torch.inf))  # (q, R)
    high = torch.nextafter(values + error, torch.full_like(values, torch.inf))  # (q, R)
    floor = low.amin(1)  # (q,)
    ahead = torch.zeros_like(sought.columns)
    lock = Lock()

    def count(span: slice) -> None:
        block = sought.without_the_banned(products.block(rows, span), span)  # (q, c)
        allowed = values.numel() + int(_DOUBTFUL * block.numel())
        for part, found, columns in _contenders(block, floor):
            above, near = _counted(found, low[part], high[part])  # (p, R) each
            allowed -= int(near.sum())
            if allowed < 0:
                raise Crowded
            line, place, column = _nearby(found, columns, above, near)
            row, column = part[line], column + span.start
            won = scores(sought.queries, sought.gallery, row, column, "cosine")
            against = values[row, place]
            first = (won > against) | ((won == against) & (column < sought.columns[row, place]))
            with lock:
                ahead[part] += above
                ahead.index_put_((row[first], place[first]), torch.ones_like(row[first]), accumulate=True)

    work(count, sought.spans(width), workers(values.device))
    return ahead


def ahead_by_scores(sought: Sought, width: int) -> Tensor:
    """The same from float64 products of all pairs, rounded: slower, and never in doubt. (q, R)"""
    ours, ahead, lock = sought.queries.double(), torch.zeros_like(sought.keys), Lock()
    rows = torch.arange(len(ours), device=ours.device)[:, None].expand_as(ahead)  # (q, R)

    def count(span: slice) -> None:
        block = (ours @ sought.gallery[span].double().T).float()  # (q, c)
        inside = (sought.columns >= span.start) & (sought.columns < span.stop)
        # The very score that is sought, so that an item always finds itself.
        block[rows[inside], sought.columns[inside] - span.start] = sought.values[inside]
        block = sought.without_the_banned(block, span)
        ordered = _sorted(_keys(block, torch.arange(span.start, span.stop, device=block.device)))
        found = torch.searchsorted(ordered, sought.keys)  # (q, R)
        with lock:
            ahead.add_(found)

    work(count, sought.spans(width), workers(ours.device))
    return ahead


def _contenders(block: Tensor, floor: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What reaches the floor (q,) of its row of the block (q, c): rows (p,), values (p, h) and their columns (p, h).

    Rows of which little is left are packed, filled up with minus infinity; of the others everything is given.
    """
    width = block.shape[1]
    reached = _at_least(block, floor)  # (q, c)
    counts = _count(reached)  # (q,)
    whole = (counts > width // 2).nonzero()[:, 0]
    out = []
    if len(whole):
        out.append((whole, block[whole], torch.arange(width, device=block.device).expand(len(whole), -1)))
        reached[whole], counts[whole] = False, 0
    packed = counts.nonzero()[:, 0]  # (p,)
    if len(packed):
        at, counts = _places(reached), counts[packed]  # (n,)
        line = torch.repeat_interleave(counts)
        slot = torch.arange(len(at), device=at.device) - (counts.cumsum(0) - counts)[line]
        shape = len(packed), int(counts.max())
        values = torch.full(shape, -torch.inf, device=block.device)
        columns = torch.zeros(shape, dtype=torch.int64, device=block.device)
        values[line, slot], columns[line, slot] = block.view(-1)[at], at - packed[line] * width
        out.append((packed, values, columns))
    return out


def _counted(values: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """How many values (p, h) of a row lie above the bands (p, R), and how many inside. (p, R) each"""
    ordered = _sorted(values.clone())
    above = values.shape[1] - torch.searchsorted(ordered, high, right=True)
    return above, values.shape[1] - torch.searchsorted(ordered, low) - above


def _nearby(values: Tensor, columns: Tensor, above: Tensor, near: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Line, place among what is sought, and column of all that lies inside a band. (n,) each"""
    lines, places = near.nonzero(as_tuple=True)  # (m,)
    some, index = torch.unique_consecutive(lines, return_inverse=True)
    # Sorted again together with their columns, which costs twice as much and most rows do not need.
    ordered = _sorted((ascending_bits(values[some]).long() << 32).add_(columns[some]))  # (s, h)
    counts = near[lines, places]
    before = values.shape[1] - above[lines, places] - counts
    each = torch.repeat_interleave(counts)  # (n,)
    at = before[each] + torch.arange(len(each), device=each.device) - (counts.cumsum(0) - counts)[each]
    return lines[each], places[each], ordered[index[each], at] & _COLUMN


def _keys(values: Tensor, columns: Tensor) -> Tensor:
    """int64 that rise as the ranking goes: by falling score, then by rising column."""
    return ascending_bits(values).long().mul_(-(1 << 32)).add_(columns)


def _values(keys: Tensor) -> Tensor:
    """The float32 values in the keys."""
    bits = (keys >> 32).neg_().int()
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF)).view(torch.float32)


# On the processor numpy does these several times faster than torch.


def _sorted(values: Tensor) -> Tensor:
    """Each row, on the processor in place."""
    if values.is_cuda:
        return values.sort(dim=1).values
    values.numpy().sort(axis=1)
    return values


def _at_least(block: Tensor, floor: Tensor) -> Tensor:
    """Which entries of the block (q, c) reach the floor (q,) of their row. (q, c)"""
    if block.is_cuda:
        return block >= floor[:, None]
    return torch.from_numpy(block.numpy() >= floor.numpy()[:, None])


def _count(mask: Tensor) -> Tensor:
    """How many are true in each row. (q,)"""
    return mask.sum(1) if mask.is_cuda else torch.from_numpy(np.count_nonzero(mask.numpy(), axis=1))


def _places(mask: Tensor) -> Tensor:
    """Where it is true, as places in the flat mask. (n,)"""
    return mask.view(-1).nonzero()[:, 0] if mask.is_cuda else torch.from_numpy(np.flatnonzero(mask.numpy()))
