"""A method and a head that a user could have written; nothing of Kinsight knows them but by their names in the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinsight.data import Batch
from kinsight.models import Embedding
from kinsight.objectives import Term
from kinsight.pictures.loading import Draw
from kinsight.settings.training import BatchSettings
from kinsight.training.methods import Method


class TwoHalves(Method):
    """The classes in two halves, which take turns; split anew between epochs along a direction of their mean embeddings."""

    def __init__(self, labels: np.ndarray, batches: BatchSettings, seed: int, embed: Callable[[], Any]) -> None:
        super().__init__()
        self.labels, self.size, self.seed, self.embed = labels, batches.size, seed, embed
        self.register_buffer("half_of", torch.arange(labels.max() + 1) % 2)  # of each class
        self.register_buffer("splits", torch.zeros((), dtype=torch.int64))

    def sampler(self) -> TwoHalves:
        return self

    def __len__(self) -> int:
        return len(self.labels) // self.size

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        halves = self.half_of.cpu().numpy()[self.labels]
        for number in range(start, len(self)):
            random = np.random.default_rng((self.seed, epoch, number))
            rows = random.choice(np.flatnonzero(halves == number % 2), self.size).tolist()
            yield Batch([Draw(row, int(random.integers(2**31))) for row in rows], subset=number % 2)

    def advance(self, epoch: int) -> dict[str, Any]:
        found, classes = self.embed(), len(self.half_of)
        means = np.stack([found.vectors[self.labels[found.rows] == label].mean(0) for label in range(classes)])
        along = means @ np.random.default_rng((self.seed, epoch)).normal(size=means.shape[1])
        self.half_of[torch.from_numpy(np.argsort(along))] = (
            torch.arange(classes, device=self.half_of.device) * 2 // classes
        )
        self.splits += 1
        return {"splits": int(self.splits), "half_of": self.half_of.tolist()}

    def lr_factor(self, group: str, epoch: int) -> float:
        return 0.0 if group == "trunk" and epoch == 1 else 1.0


class Guess(Term):
    """A layer of the term's own guesses the embedding from the pooled map, which leaves the head as an extra."""

    weight = 0.1

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels, dim)

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        return (self.layer(embedding.extras["pooled"]) - embedding.whole).square().mean()


class HalvesHead(nn.Module):
    """The two halves of a vector, each a subspace; brings a term."""

    kind, parts = "subspaces", 2

    def __init__(self, channels: int, map_size: tuple[int, int], *, dim: int = 16) -> None:
        super().__init__()
        self.dim, self.channels = dim, channels
        self.linear = nn.Linear(channels, dim)

    def forward(self, feature_map: Tensor) -> Embedding:
        pooled = feature_map.mean((2, 3))  # (N, C)
        whole = self.linear(pooled)  # (N, D)
        return Embedding(whole.unflatten(1, (2, -1)), whole, {"pooled": pooled}, "subspaces")

    def terms(self) -> dict[str, nn.Module]:
        return {"guess": Guess(self.channels, self.dim)}
