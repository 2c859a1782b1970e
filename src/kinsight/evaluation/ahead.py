"""How many gallery items stand ahead of a query's positives: by products of known error, or by float64 products of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from kinsight.evaluation.products import Crowded, Products, ascending_bits, at_least, scores
from kinsight.evaluation.workers import work, workers

_BEYOND = 4.0  # fills up; above every cosine, whatever its error
_BLOCKS = 16  # of products, until what reaches the floor is counted: few items of many blocks at a time
# Of the products; with more float64 products of all are cheaper.
_REACHING = 1 / 4  # that reach the floor and must be counted
_DOUBTFUL = 1 / 32  # that must be scored one by one
_ENTRIES = 1 << 20  # counted or looked up at a time
_NUMBER = 21  # bits; with 32 of a value and 10 of a query they fill an int64
_COLUMN = (1 << 32) - 1  # the lower half of a key; above the place of every number
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
        never: pairs (query, gallery item) that must not meet, each once, (n,) each.
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
        keys[rows, within] = _keys(scores(queries, gallery, rows, members, "cosine"), members)
        keys = _sorted(keys)
        missing = keys == _NOTHING
        values, columns = _values(keys).masked_fill_(missing, _BEYOND), (keys & _COLUMN).masked_fill_(missing, -1)
        return cls(queries, gallery, values, columns, keys, never)


def ahead_by_products(sought: Sought, products: Products, rows: slice, width: int) -> Tensor:
    """How many gallery items stand ahead of each that is sought, by products that may err. (q, R)

    A product that is further from a sought score than it can err says on which side of it the item stands; only what lies nearer is
    scored, pair by pair. What lies below all of a query's sought scores is not looked at again.

    Args:
        products: of all queries with the gallery; `rows` of them are those of `sought`.
        width: gallery items of a block.

    Raises:
        Crowded: too many products lie too near to be told apart, or above the least of what is sought.
    """
    bands = _Bands(sought, products)

    def count(span: slice) -> None:
        hits = _Hits(bands, len(sought.queries) * (span.stop - span.start))
        for part in _spans(span, width):
            block = products.block(rows, part)  # (q, c)
            row, column, values = at_least(block, bands.floor[:, None])  # (n,)
            hits.add(row, column + part.start, values)
        hits.settle()

    gallery = slice(0, len(sought.gallery))
    work(count, [(span,) for span in _spans(gallery, _BLOCKS * width)], workers(sought.keys.device))
    return bands.ahead - _banned_ahead(sought)


def ahead_by_scores(sought: Sought, width: int) -> Tensor:
    """The same from float64 products of all pairs, rounded: slower, and never in doubt. (q, R)"""
    ours, ahead, lock = sought.queries.double(), torch.zeros_like(sought.keys), Lock()
    rows = torch.arange(len(ours), device=ours.device)[:, None].expand_as(ahead)  # (q, R)

    def count(span: slice) -> None:
        block = (ours @ sought.gallery[span].double().T).float()  # (q, c)
        inside = (sought.columns >= span.start) & (sought.columns < span.stop)
        # The very score that is sought, so that an item always finds itself.
        block[rows[inside], sought.columns[inside] - span.start] = sought.values[inside]
        gone = (sought.never[1] >= span.start) & (sought.never[1] < span.stop)
        block[sought.never[0][gone], sought.never[1][gone] - span.start] = -torch.inf
        ordered = _sorted(_keys(block, torch.arange(span.start, span.stop, device=block.device)))
        found = torch.searchsorted(ordered, sought.keys)  # (q, R)
        with lock:
            ahead.add_(found)

    work(count, [(span,) for span in _spans(slice(0, len(sought.gallery)), width)], workers(ours.device))
    return ahead


class _Bands:
    """Around every sought score the band in which products do not say on which side of it an item stands.

    Attributes:
        floor: below it lies nothing that stands ahead of anything that is sought (q,).
        ahead: how many items stand ahead, of those that were added (q, R).
    """

    def __init__(self, sought: Sought, products: Products) -> None:
        # |p - s| <= m + r |p| for the score s of a product p. For a sought score t it follows from p > t + (m + r |t|) / (1 - r) that
        # s > t, and from p < t - (m + r |t|) / (1 - r) that s < t.
        values = sought.values
        error = (products.margin + products.relative * values.abs()) / (1 - products.relative)
        low = torch.nextafter(values - error, torch.full_like(values, -torch.inf))  # (q, R)
        high = torch.nextafter(values + error, torch.full_like(values, torch.inf))  # (q, R)
        self.sought, self.floor = sought, low.amin(1)
        self.ahead = torch.zeros_like(sought.keys)
        self._lock = Lock()
        rows = torch.arange(len(values), device=values.device)[:, None]  # (q, 1)
        self._first, self._past, self._end = _place(rows, low), _place(rows, high) + 1, (rows << 32) + _COLUMN

    def add(self, rows: Tensor, columns: Tensor, values: Tensor, allowed: float) -> int:
        """Count products (n,), fewer than 2^21, of pairs of a query and a gallery item; the number of those in a band.

        Raises:
            Crowded: more lie in a band than are allowed.
        """
        numbers = torch.arange(len(rows), device=rows.device)
        ordered = _sorted((_place(rows, values) << _NUMBER).add_(numbers))  # row by row, by value, with their numbers
        first, past, end = (
            torch.searchsorted(ordered, bound << _NUMBER) for bound in (self._first, self._past, self._end)
        )
        near = past - first  # (q, R)
        if (doubtful := int(near.sum())) > allowed:
            raise Crowded
        row, place = near.nonzero(as_tuple=True)  # (m,)
        counts, start = near[row, place], first[row, place]
        each = torch.repeat_interleave(counts)  # (d,)
        at = start[each] + torch.arange(len(each), device=rows.device) - (counts.cumsum(0) - counts)[each]
        row, place, column = row[each], place[each], columns[ordered[at] & ((1 << _NUMBER) - 1)]
        sought = self.sought
        won = _keys(scores(sought.queries, sought.gallery, row, column, "cosine"), column) < sought.keys[row, place]
        with self._lock:
            self.ahead += end - past
            self.ahead.index_put_((row, place), won.long(), accumulate=True)
        return doubtful


class _Hits:
    """Gathers what reaches the floor, of so many products, until it is worth counting."""

    def __init__(self, bands: _Bands, products: int) -> None:
        few = bands.ahead.numel()  # the sought items themselves reach it
        self._bands, self._reaching, self._near = bands, few + products * _REACHING, few + products * _DOUBTFUL
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self._count = 0

    def add(self, rows: Tensor, columns: Tensor, values: Tensor) -> None:
        """Products (n,) of pairs of a query and a gallery item.

        Raises:
            Crowded: too many reach the floor; and as `settle`.
        """
        self._reaching -= len(rows)
        if self._reaching < 0:
            raise Crowded
        self._kept.append((rows, columns, values))
        self._count += len(rows)
        if self._count >= _ENTRIES:
            self.settle()

    def settle(self) -> None:
        """Count what was gathered.

        Raises:
            Crowded: too many lie in a band.
        """
        if not self._kept:
            return
        rows, columns, values = (torch.cat(each) for each in zip(*self._kept, strict=True))
        for part in (slice(at, at + _ENTRIES) for at in range(0, len(rows), _ENTRIES)):
            self._near -= self._bands.add(rows[part], columns[part], values[part], self._near)
        self._kept, self._count = [], 0


def _banned_ahead(sought: Sought) -> Tensor:
    """How many of the items that a query must not meet stand ahead of each that it seeks. (q, R)"""
    rows, columns = sought.never
    keys = _keys(scores(sought.queries, sought.gallery, rows, columns, "cosine"), columns)  # (n,)
    count, places = sought.keys.shape
    behind = torch.zeros(count, places + 1, dtype=torch.int64, device=keys.device)
    step = max(_ENTRIES // places, 1)
    for row, key in zip(rows.split(step), keys.split(step), strict=True):
        first = torch.searchsorted(sought.keys[row], key[:, None])[:, 0]  # of all that stand behind it
        behind.index_put_((row, first), torch.ones_like(row), accumulate=True)
    return behind.cumsum(1)[:, :-1]


def _spans(whole: slice, width: int) -> list[slice]:
    return [slice(at, min(at + width, whole.stop)) for at in range(whole.start, whole.stop, width)]


def _keys(values: Tensor, columns: Tensor) -> Tensor:
    """int64 that rise as the ranking goes: by falling score, then by rising column."""
    return ascending_bits(values).long().mul_(-(1 << 32)).add_(columns)


def _place(rows: Tensor, values: Tensor) -> Tensor:
    """int64 that rise row by row, and with the value in each."""
    return (rows << 32) + ascending_bits(values) + (1 << 31)


def _values(keys: Tensor) -> Tensor:
    """The float32 values in the keys."""
    bits = (keys >> 32).neg_().int()
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF)).view(torch.float32)


def _sorted(values: Tensor) -> Tensor:
    """Along the last axis, on the processor in place."""
    if values.is_cuda:
        return values.sort(dim=-1).values
    values.numpy().sort(axis=-1)  # several times faster than torch there
    return values
