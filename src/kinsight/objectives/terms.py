"""Terms of an objective: each reads an Embedding and gives one number; an objective is their weighted sum.

A term of one's own is a subclass of `Term` (or any module with such a forward). What it needs of a head must leave the head through the
Embedding, as parts, whole or an extra, because only that is gathered over processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding
from kinsight.registry import running


class Term(nn.Module, ABC):
    """One of the numbers that an objective adds up.

    Attributes:
        weight: what the number is multiplied with in the total; the settings may give another (`objective.terms`).
    """

    weight: float = 1.0

    @abstractmethod
    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """A scalar, before `weight`, for the batch of all processes.

        Args:
            embedding: of N > 0 pictures, in float32.
            labels: (N,), whole numbers from 0.
            subset: the subset of the data that the batch belongs to; -1: all of them.
        """


class MetricLoss(nn.Module):
    """A miner and a loss of pytorch-metric-learning: vectors (N, d) and labels (N,) -> a scalar."""

    def __init__(self, name: str, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.loss = loss
        self.miner = miner

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """The loss of the pairs or triplets that the miner leaves.

        Raises:
            KinsightError: the loss gives no single number.
        """
        mined = self.miner(vectors.detach(), labels)
        with running("loss", self.name):
            loss = self.loss(vectors, labels) if mined is None else self.loss(vectors, labels, mined)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise KinsightError(f"the loss {self.name} does not return one number; give it a reducer that averages")
        return loss.reshape(())


MakeLoss = Callable[[int], MetricLoss]
"""A length of vectors -> a new metric loss with parameters of its own."""


class Whole(Term):
    """The loss of the whole embedding."""

    def __init__(self, make: MakeLoss, dim: int) -> None:
        super().__init__()
        self.metric = make(dim)

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`."""
        return self.metric(embedding.whole, labels)


class EachPart(Term):
    """The mean over the parts, each an embedding of its own with its own loss parameters and its own pairs or triplets
    ("Attentive Grouping", equation 14)."""

    def __init__(self, make: MakeLoss, parts: int, part_dim: int) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(make(part_dim) for _ in range(parts))

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`."""
        pairs = zip(self.metrics, embedding.parts.unbind(1), strict=True)
        return torch.stack([metric(vectors, labels) for metric, vectors in pairs]).mean()


class AssignedPart(Term):
    """Each picture trains the part that the head's extra `assignment` (N,) gives it: the mean over the parts that have pictures."""

    def __init__(self, make: MakeLoss, parts: int, part_dim: int) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(make(part_dim) for _ in range(parts))

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`.

        Raises:
            KinsightError: the head gives no assignment.
        """
        assignment = embedding.extras.get("assignment")
        if assignment is None:
            raise KinsightError(
                "the objective's term 'assigned' needs the extra 'assignment', which this head does not give; take the term out of "
                "objective.terms, or choose a head that assigns"
            )
        found = []
        for number, metric in enumerate(self.metrics):
            mine = assignment == number
            if mine.any():
                found.append(metric(embedding.parts[mine, number], labels[mine]))
        return torch.stack(found).mean() if found else 0.0 * embedding.parts.sum()


class SubsetPart(Term):
    """A batch of subset k trains part k alone; a batch of all subsets (-1) trains the whole."""

    def __init__(self, make: MakeLoss, parts: int, part_dim: int, dim: int) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(make(part_dim) for _ in range(parts))
        self.all = make(dim)

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`.

        Raises:
            KinsightError: there is no part for the subset.
        """
        if subset < 0:
            return self.all(embedding.whole, labels)
        if subset >= len(self.metrics):
            raise KinsightError(
                f"a batch of subset {subset} came, but the head has {len(self.metrics)} parts; give the method as many subsets as parts"
            )
        return self.metrics[subset](embedding.parts[:, subset], labels)


class Diversity(Term):
    """Parts of a picture shall differ: `DiversityLoss` or another of `DIVERSITIES`, with the weight that it says."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.weight = float(loss.weight)  # type: ignore[arg-type]

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`."""
        return self.loss(embedding.parts)
