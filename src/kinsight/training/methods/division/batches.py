"""Batches of one cluster at a time; equally many in every epoch, whatever the clusters are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kinsight.data import Batch
from kinsight.pictures import Draw
from kinsight.settings.training import BatchSettings
from kinsight.training.methods.plain import usual_sampler

ORDERS = ("random", "round-robin", "proportional")
ASIDE = -1
"""The cluster of pictures that do not train until the next division."""


class ClusterBatches:
    """Each batch comes from one cluster, and inside it as the settings of batches say.

    How often a cluster's turn comes among the n steps of an epoch and the K clusters that have pictures:

    * `random`: the cluster of each step is drawn anew, so n / K times on average (the paper).
    * `round-robin`: one after the other, the round going on through the epochs: n / K times, rounded up or down (the public code).
    * `proportional`: n N_k / N times, rounded so that the sum is n, in random order: every picture has the same chance.

    A cluster of fewer classes than a batch wants gives more pictures of each; one of fewer pictures than a batch gives all of them.

    Args:
        labels: the class of each picture, (N,).
        clusters: the cluster of each, (N,); `ASIDE`: in none.
        batches: the settings of batches.
        length: steps of an epoch.
        seed: of the run.
        order: one of `ORDERS`.
    """

    def __init__(
        self,
        labels: np.ndarray,
        clusters: np.ndarray,
        batches: BatchSettings,
        *,
        length: int,
        seed: int,
        order: str = "random",
    ) -> None:
        self.labels, self.batches, self.length, self.seed, self.order = labels, batches, length, seed, order
        self.rows = {int(number): np.flatnonzero(clusters == number) for number in np.unique(clusters[clusters >= 0])}

    def __len__(self) -> int:
        return self.length

    def turns(self, epoch: int) -> np.ndarray:
        """The cluster of every step of an epoch, (length,)."""
        known = np.array(list(self.rows))
        random = np.random.default_rng((self.seed, epoch, len(ORDERS)))
        if self.order == "round-robin":
            return known[(epoch * self.length + np.arange(self.length)) % len(known)]
        if self.order == "random":
            return random.choice(known, self.length)
        sizes = np.cumsum([len(rows) for rows in self.rows.values()])
        edges = np.floor(sizes * self.length / sizes[-1] + random.random()).astype(int)
        counts = np.diff(np.minimum(edges, self.length), prepend=0)
        counts[-1] += self.length - counts.sum()
        return random.permutation(np.repeat(known, counts))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        turns = self.turns(epoch)
        running = {
            number: self._of(number, epoch, int((turns == number).sum()), int((turns[:start] == number).sum()))
            for number in np.unique(turns[start:]).tolist()
        }
        for number in turns[start:].tolist():
            batch = next(running[number])
            rows = self.rows[number]
            yield Batch([Draw(int(rows[draw.index]), draw.seed) for draw in batch.draws], subset=number)

    def _of(self, number: int, epoch: int, length: int, start: int) -> Iterator[Batch]:
        rows = self.rows[number]
        alone = len(self.rows) == 1  # one cluster of everything draws what the plain method draws
        seed = self.seed if alone else int(np.random.SeedSequence((self.seed, number)).generate_state(1)[0])
        settings = fitting(self.labels[rows], self.batches)
        return usual_sampler(self.labels[rows], settings, seed, length=length).epoch(epoch, start)


def fitting(labels: np.ndarray, batches: BatchSettings) -> BatchSettings:
    """Settings of batches that a cluster with these labels (N,) can fill."""
    if batches.per_class is None:
        return replace(batches, size=min(batches.size, len(labels)))
    classes = len(np.unique(labels))
    if classes * batches.per_class >= batches.size:
        return batches
    each = batches.size // classes
    return replace(batches, size=each * classes, per_class=each)


def steps_of_the_code(clusters: np.ndarray, size: int) -> int:
    """Steps of an epoch of the public code, which grow with the imbalance: K times those of the largest cluster."""
    sizes = np.bincount(clusters[clusters >= 0])
    return int((sizes > 0).sum() * max(1, sizes.max() // size))
