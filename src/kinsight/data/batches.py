"""Batch samplers: which pictures meet in a batch.

A sampler gives whole global batches; each process takes its `share`. An epoch is a pure function of (seed, epoch), so a
training can go on at any batch without stored state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kinsight.errors import KinsightError
from kinsight.pictures.loading import Draw

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Batch:
    """A global batch: its draws, and the subset of the data that it belongs to (-1: all of them)."""

    draws: list[Draw]
    subset: int = -1

    def __len__(self) -> int:
        return len(self.draws)


class BatchSampler(Protocol):
    """What a training loop needs of a sampler."""

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on; the same whenever it is asked for."""
        ...


class UniformBatches:
    """Every picture once an epoch, in a new random order each time.

    Args:
        labels_or_count: the labels of the pictures, or how many pictures there are.
        batch_size: pictures in a global batch.
        drop_last: leave out the last N mod batch_size pictures of the order (other ones each epoch); else the last
            batch is smaller.
        length: batches in an epoch; None: as many as pass all pictures once. With more the pictures pass again, in another order.

    Raises:
        KinsightError: fewer pictures than one batch needs.
    """

    def __init__(
        self,
        labels_or_count: Sized | int,
        batch_size: int,
        *,
        seed: int = 0,
        drop_last: bool = True,
        length: int | None = None,
    ) -> None:
        self.count = labels_or_count if isinstance(labels_or_count, int) else len(labels_or_count)
        self.batch_size = _positive("batch_size", batch_size)
        self.seed = _seed(seed)
        self.drop_last = drop_last
        if self.count < (batch_size if drop_last else 1):
            raise KinsightError(
                f"{self.count} pictures do not fill one batch of {batch_size}; lower batch_size (in a recipe batches.size) "
                "or give more pictures"
            )

        self._pass = self.count // batch_size if drop_last else math.ceil(self.count / batch_size)
        self.length = self._pass if length is None else _positive("length", length)

    def __len__(self) -> int:
        return self.length

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        random, passes = _random(self.seed, epoch, "order"), math.ceil(self.length / self._pass)
        orders = np.stack([random.permutation(self.count) for _ in range(passes)])
        seeds = _draw_seeds(self.seed, epoch, orders.size).reshape(orders.shape)
        for number in range(start, self.length):
            turn, place = divmod(number, self._pass)
            here = slice(place * self.batch_size, (place + 1) * self.batch_size)
            yield Batch(_draws(orders[turn, here], seeds[turn, here]))


class MPerClassBatches:
    """`batch_size / per_class` different classes in each batch, `per_class` pictures of each ("m per class").

    An epoch has `floor(N / batch_size)` batches (at least one), or `length` if given. How often a class comes:

    * By default in proportion to its pictures, so that every picture has the same chance: over the epochs each is drawn
      `len * batch_size / N` times an epoch on average, which is once when batch_size divides N. In a single epoch the
      number of groups of a class is its exact share rounded up or down. The rounding walks evenly through the epochs,
      so that a class whose share is s < 1 groups an epoch waits at most about 2.6 / s epochs: no class is starved. A
      class comes at most once in a batch; a class so large that its share is more than that comes in every batch, and
      the others share the rest.
    * With `balanced=True` every class comes equally often (to within one group an epoch), whatever its size.

    Within a class the pictures pass in random order and begin anew when all have passed, so within an epoch their
    numbers of draws differ by at most one, and the pictures of a group differ. A class with fewer than `per_class`
    pictures repeats them within the group (as evenly as possible; each repetition is augmented anew).

    Args:
        labels: the class of each picture, (N,).
        batch_size: pictures in a global batch, a multiple of per_class.
        per_class: pictures of each class in a batch.
        balanced: draw classes equally often instead of in proportion to their pictures.
        length: batches in an epoch.

    Raises:
        KinsightError: batch_size is no multiple of per_class, or there are fewer classes than a batch needs.
    """

    def __init__(
        self,
        labels: Sequence[Any] | np.ndarray,
        batch_size: int,
        per_class: int,
        *,
        seed: int = 0,
        balanced: bool = False,
        length: int | None = None,
    ) -> None:
        self.batch_size = _positive("batch_size", batch_size)
        self.per_class = _positive("per_class", per_class)
        self.seed = _seed(seed)
        if batch_size % per_class:
            raise KinsightError(
                f"batch_size {batch_size} is not a multiple of per_class {per_class}; "
                f"write batch_size {math.ceil(batch_size / per_class) * per_class} or another multiple"
            )
        codes = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
        self.classes_per_batch = batch_size // per_class
        self.pictures = np.split(
            np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1]
        )  # one array a class
        if not len(codes) or len(self.pictures) < self.classes_per_batch:
            have = len(self.pictures) if len(codes) else 0
            raise KinsightError(
                f"a batch of {batch_size} with {per_class} pictures a class needs {self.classes_per_batch} classes but "
                f"the training pictures have {have}; raise per_class or lower batch_size to at most "
                f"{have * per_class} (in a recipe batches.per_class, batches.size)"
            )
        self.length = max(1, len(codes) // batch_size) if length is None else _positive("length", length)
        sizes = np.array([1 if balanced else len(pictures) for pictures in self.pictures])
        self._in_every_batch = _too_large(sizes, self.length, self.classes_per_batch)
        self._sizes = sizes

    def __len__(self) -> int:
        return self.length

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        random = _random(self.seed, epoch, "order")
        groups = self._groups(epoch)
        classes = _arranged(groups, self.length, random)  # (len, classes per batch)
        chosen = np.empty((classes.size, self.per_class), dtype=np.int64)
        # All places of a class follow each other in this order, so its groups are dealt out in one go.
        places = np.argsort(classes, axis=None, kind="stable")
        done = 0
        for pictures, count in zip(self.pictures, groups.tolist(), strict=True):
            if count:
                dealt = _dealt(pictures, count * self.per_class, self.per_class, random)
                chosen[places[done : done + count]] = dealt.reshape(count, self.per_class)
                done += count
        chosen = chosen.reshape(self.length, self.batch_size)
        seeds = _draw_seeds(self.seed, epoch, chosen.size).reshape(chosen.shape)
        for number in range(start, self.length):
            yield Batch(_draws(chosen[number], seeds[number]))

    def _groups(self, epoch: int) -> np.ndarray:
        """How many batches of this epoch each class takes part in, (classes,)."""
        free = ~self._in_every_batch
        groups = np.where(free, 0, self.length)
        total = int(self.length * self.classes_per_batch - groups.sum())
        if total:
            # Systematic rounding: mark the exact shares side by side on a line and count the whole numbers in each.
            # Moving the line by the golden ratio each epoch lets every share get its rounded-up turns evenly.
            start = _random(self.seed, 0, "rounding").random()
            whole = int(self._sizes[free].sum())
            edges = np.concatenate([[0], np.cumsum(self._sizes[free])]).astype(np.int64) * total
            groups[free] = np.diff((edges + int((start + epoch * GOLDEN) % 1 * whole)) // whole)
        return groups


class PairBatches:
    """Pairs of pictures of one class, one of each view, next to each other in the batch.

    A class with several pictures of a view is drawn until each of them has passed: with m of one view and n of the other in max(m, n) pairs
    an epoch, of partners dealt anew each time. What does not fill the last batch is left out, other pairs each epoch.

    Args:
        labels: the class of each picture, (N,).
        views: of which view each is, (N,), 0 or 1.
        batch_size: pictures in a global batch, an even number.

    Raises:
        KinsightError: batch_size is odd, or there are fewer pairs than a batch holds; or a class lacks a view.
    """

    def __init__(
        self, labels: Sequence[Any] | np.ndarray, views: Sequence[int] | np.ndarray, batch_size: int, *, seed: int = 0
    ) -> None:
        self.batch_size, self.seed = _positive("batch_size", batch_size), _seed(seed)
        if batch_size % 2:
            raise KinsightError(
                f"batch_size {batch_size} does not hold whole pairs; write an even number (batches.size)"
            )
        labels, views = np.asarray(labels), np.asarray(views)
        known = np.unique(labels)
        # One array a class and view; of the classes in their order.
        self.pictures = [_by_class(np.flatnonzero(views == view), labels, known) for view in (0, 1)]
        if any(len(each) == 0 for view in self.pictures for each in view):
            raise KinsightError("a class has pictures of one view only; give every pair both views")
        pairs = sum(max(len(one), len(other)) for one, other in zip(*self.pictures, strict=True))
        self.length = 2 * pairs // batch_size
        if not self.length:
            raise KinsightError(
                f"{pairs} pairs do not fill one batch of {batch_size} pictures; lower batch_size (in a recipe batches.size) or "
                "give more pairs"
            )

    def __len__(self) -> int:
        return self.length

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        random = _random(self.seed, epoch, "order")
        pairs = np.concatenate(
            [_partners(one, other, random) for one, other in zip(*self.pictures, strict=True)]
        )  # (pairs, 2)
        chosen = random.permutation(pairs)[: self.length * self.batch_size // 2]
        seeds = _draw_seeds(self.seed, epoch, chosen.size).reshape(self.length, self.batch_size)
        chosen = chosen.reshape(self.length, self.batch_size)
        for number in range(start, self.length):
            yield Batch(_draws(chosen[number], seeds[number]))


def share(batch: Batch, rank: int, world: int) -> list[Draw]:
    """The draws of a global batch that process `rank` of `world` takes: contiguous, sizes differ by at most one."""
    return batch.draws[len(batch) * rank // world : len(batch) * (rank + 1) // world]


def _too_large(sizes: np.ndarray, length: int, classes_per_batch: int) -> np.ndarray:
    """The classes whose share of the places is more than one place in every batch, (classes,) bool."""
    found = np.zeros(len(sizes), dtype=bool)
    while True:
        places = length * (classes_per_batch - int(found.sum()))
        more = ~found & (sizes * places > length * sizes[~found].sum())
        if not more.any():
            return found
        found |= more


def _arranged(groups: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """Put each class into as many batches as `groups` says, never twice into one: (length, classes per batch)."""
    order = random.permutation(len(groups))
    # One class after the other, dealt round the batches like cards: no class has more groups than there are batches.
    table = np.repeat(order, groups[order]).reshape(-1, length).T.copy()
    width = table.shape[1]
    for _ in range(8 * width):
        # Dealing puts the same classes together again and again. Exchanging single places between pairs of batches,
        # where neither gets a class twice, leaves all counts as they are and mixes who meets whom.
        batches = random.permutation(length)[: length // 2 * 2].reshape(2, -1)
        rows = np.arange(batches.shape[1])
        slots = random.integers(width, size=batches.shape)
        one, other = table[batches[0]], table[batches[1]]  # (pairs, width)
        gives, takes = one[rows, slots[0]], other[rows, slots[1]]
        fine = ~((one == takes[:, None]).any(1) | (other == gives[:, None]).any(1))
        table[batches[0][fine], slots[0][fine]] = takes[fine]
        table[batches[1][fine], slots[1][fine]] = gives[fine]
    return table[random.permutation(length)]


def _dealt(pictures: np.ndarray, count: int, per_class: int, random: np.random.Generator) -> np.ndarray:
    """The next `count` pictures of a class: random order, begun anew when all have passed."""
    passes = [random.permutation(pictures)]
    have = len(pictures)
    while have < count:
        again = random.permutation(pictures)
        if begun := have % per_class:  # the group that is only in part dealt gets last what it already has
            group = np.concatenate(passes[-per_class:])[-begun:]
            again = again[np.argsort((again[:, None] == group).sum(1), kind="stable")]
        passes.append(again)
        have += len(pictures)
    return np.concatenate(passes)[:count]


def _by_class(rows: np.ndarray, labels: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """The rows of each known class."""
    codes = np.searchsorted(known, labels[rows])
    counts = np.bincount(codes, minlength=len(known))
    return np.split(rows[np.argsort(codes, kind="stable")], np.cumsum(counts)[:-1])


def _partners(one: np.ndarray, other: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Pairs of a class in which every picture comes, (pairs, 2)."""
    count = max(len(one), len(other))
    if count == 1:
        return np.stack([one, other], axis=1)
    return np.stack([_dealt(each, count, 1, random) for each in (one, other)], axis=1)


def _random(seed: int, epoch: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, ("order", "draws", "rounding").index(purpose)))


def _draw_seeds(seed: int, epoch: int, count: int) -> np.ndarray:
    """A seed for each position of an epoch, (count,). Torch's CPU generator uses the low 32 bits: all are random."""
    return _random(seed, epoch, "draws").integers(2**63, size=count)


def _draws(indices: np.ndarray, seeds: np.ndarray) -> list[Draw]:
    return [Draw(index, seed) for index, seed in zip(indices.tolist(), seeds.tolist(), strict=True)]


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise KinsightError(f"{name} {value} is not allowed; write a whole number above 0")
    return int(value)


def _seed(value: int) -> int:
    if value < 0:
        raise KinsightError(f"seed {value} is not allowed; write 0 or a whole number above")
    return int(value)
