"""Terms of an objective: each reads an Embedding and gives one number; an objective is their weighted sum.

A term of one's own is a subclass of `Term` (or any module with such a forward). What it needs of a head must leave the head through the
Embedding, as parts, whole or an extra, because only that is gathered over processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pytorch_metric_learning.losses import FastAPLoss, NPairsLoss, WeightRegularizerMixin
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding
from kinsight.registry import running

STREAM = "stream"
"""The extra that says of which of two streams a picture is, 0 or 1."""
WITHIN = (NPairsLoss, FastAPLoss)
"""Losses that take no second set of pictures."""
ALONE = 0.95
"""An assignment that gives one part more than this share of an epoch's pictures has collapsed."""


class Told(NamedTuple):
    """What a term has to say of an epoch.

    Attributes:
        facts: plain values for the log, by name.
        sentence: what a person should know, if anything.
    """

    facts: dict[str, Any]
    sentence: str | None = None


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

    def end_epoch(self) -> Told:
        """What the epoch that ends has shown; whatever is counted (in buffers, so that it survives a kill) is counted anew from here."""
        return Told({})


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
        return self._number(loss)

    def across(self, vectors: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor) -> Tensor:
        """The loss of anchors (N, d) among others (M, d) of another stream: no anchor is compared with an anchor.

        Raises:
            KinsightError: the loss gives no single number, or cannot compare with others.
        """
        mined = self.miner(vectors.detach(), labels, others.detach(), other_labels)
        with running("loss", self.name):
            loss = self.loss(vectors, labels, mined, others, other_labels)
        return self._number(loss)

    def _number(self, loss: Any) -> Tensor:
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


class Across(Term):
    """The loss across two streams: each picture of one among all pictures of the other, both ways, averaged.

    Losses of proxies or of class weights compare no pictures with each other, so that they see all pictures alike.

    Raises:
        KinsightError: the loss compares within one batch only.
    """

    def __init__(self, make: MakeLoss, dim: int) -> None:
        super().__init__()
        self.metric = make(dim)
        self.proxies = isinstance(self.metric.loss, WeightRegularizerMixin)  # the losses with weights a class
        if isinstance(self.metric.loss, WITHIN):
            raise KinsightError(
                f"the loss {self.metric.name} compares the pictures of one stream and cannot compare two; choose another, or let it see "
                "both streams alike with objective.terms {across: 0, whole: 1}"
            )

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`.

        Raises:
            KinsightError: the model has one stream.
        """
        if STREAM not in embedding.extras:
            raise KinsightError(
                "the objective's term 'across' compares two streams, and this model has one; take the term out of objective.terms, or name "
                "model.streams"
            )
        if self.proxies:
            return self.metric(embedding.whole, labels)
        first = embedding.extras[STREAM] == 0
        one, other = (embedding.whole[first], labels[first]), (embedding.whole[~first], labels[~first])
        return (self.metric.across(*one, *other) + self.metric.across(*other, *one)) / 2


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
    """Each picture trains the part that the head's extra `assignment` (N,) gives it ("Deep Relational Metric Learning").

    The sum over the parts, each with loss parameters and pairs or triplets of its own; one without pictures, or without anything to
    compare, adds 0.
    """

    counts: Tensor
    said: Tensor

    def __init__(self, make: MakeLoss, parts: int, part_dim: int) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(make(part_dim) for _ in range(parts))
        # Pictures of this epoch that were assigned to each part, and whether it was said that one gets nearly all.
        self.register_buffer("counts", torch.zeros(parts, dtype=torch.int64))
        self.register_buffer("said", torch.zeros((), dtype=torch.bool))

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
        loads = torch.bincount(assignment, minlength=len(self.metrics))
        self.counts += loads
        found = [
            metric(embedding.parts[assignment == number, number], labels[assignment == number])
            for number, (metric, load) in enumerate(zip(self.metrics, loads.tolist(), strict=True))
            if load
        ]
        return torch.stack(found).sum()

    def end_epoch(self) -> Told:
        """See `Term.end_epoch`."""
        counts, said = self.counts.tolist(), bool(self.said)
        most = max(counts) / max(sum(counts), 1)
        alone = len(counts) > 1 and most > ALONE
        self.counts.zero_()
        self.said.fill_(alone)
        if not alone or said:
            return Told({"assigned": counts})
        return Told(
            {"assigned": counts},
            f"the assignment has collapsed: {most:.0%} of the pictures of this epoch trained branch {counts.index(max(counts))} of "
            f"{len(counts)}, so that the others hardly learn from their own losses; train fewer branches, or with another seed or a lower "
            "rate of the head",
        )


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
