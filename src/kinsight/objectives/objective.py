"""The objective of a training: a miner and a loss, computed on the batch of all processes, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.objectives.diversity import build_diversity, complete_diversity
from kinsight.objectives.losses import build_loss, collapsed_value, complete_loss
from kinsight.objectives.miners import build_miner, complete_miner
from kinsight.processes import gather


@dataclass
class ObjectiveSettings:
    """What is minimised."""

    loss: dict[str, Any] = field(default_factory=lambda: {"name": "margin"})
    """The loss: its name (or a class path) and its options."""
    miner: dict[str, Any] = field(default_factory=lambda: {"name": "none"})
    """The miner: its name (or a class path) and its options."""
    diversity: dict[str, Any] | None = None
    """Keep the groups of a picture apart, for heads with groups: weight, scale (paper, code), alpha, mu, beta0; null: no."""

    def complete(self) -> ObjectiveSettings:
        """The same with the defaults of the options that are not written, so that two ways to write one objective are equal.

        Raises:
            KinsightError: the loss or the miner is not known here.
        """
        return ObjectiveSettings(
            complete_loss(self.loss), complete_miner(self.miner), complete_diversity(self.diversity)
        )


class Objective(nn.Module):
    """Embeddings and labels -> one number.

    Of a head with groups each group is an embedding of its own: it has its own loss parameters, its own pairs or
    triplets are mined, and the losses of the groups are averaged ("Attentive Grouping", equation 14). The diversity
    loss is added with its weight; of a single group it is 0.

    In a run of several processes each gives its share of the batch, and every process computes the same loss of the
    full batch. Wrap the trunk in DistributedDataParallel, never the objective; `kinsight.processes` says why the gradients are
    right.

    Proxies, class weights and beta depend on `seed` alone, so that they are equal on every process.

    Args:
        dim: D, the length of the whole embedding.
        classes: how many classes train.
        groups: P; 1 for a plain head.

    Raises:
        KinsightError: the settings name no known loss or miner, or options that it does not have.
    """

    def __init__(self, settings: ObjectiveSettings, *, dim: int, classes: int, seed: int = 0, groups: int = 1) -> None:
        super().__init__()
        if groups < 1 or dim % groups:
            raise KinsightError(f"{dim} numbers cannot be split into {groups} groups; give a multiple of the groups")
        self.shape = (dim,) if groups == 1 else (groups, dim // groups)
        self.groups = groups
        self.classes = classes
        self.name = str(settings.loss.get("name")) if isinstance(settings.loss, dict) else str(settings.loss)
        with _fixed_choices(seed, torch.device("cpu")):
            losses = [build_loss(settings.loss, dim=dim // groups, classes=classes) for _ in range(groups)]
        self.loss = losses[0] if groups == 1 else nn.ModuleList(losses)
        self.miner = build_miner(settings.miner)
        diversity = build_diversity(settings.diversity)  # wrong options are refused for every head
        self.diversity = diversity if groups > 1 else None
        self.collapsed_value = collapsed_value(settings.loss) if self.diversity is None else None

    def forward(self, embeddings: Tensor, labels: Tensor, *, seed: int) -> Tensor:
        """The loss of the batch, a float32 scalar; a pure function of its inputs and the loss parameters.

        A batch in which the loss finds nothing to compare gives 0 and zero gradients.

        Args:
            embeddings: (N, D), of a head with groups its parts (N, P, d); any floating type; under autocast too the
                loss is computed in float32.
            labels: (N,), whole numbers from 0 to classes - 1.
            seed: decides the random choices of the miner; the same on every process.

        Raises:
            KinsightError: the shapes or the labels do not fit.
        """
        if embeddings.shape[1:] != self.shape or labels.shape != embeddings.shape[:1]:
            raise KinsightError(
                f"the objective got embeddings of shape {tuple(embeddings.shape)} and labels of shape "
                f"{tuple(labels.shape)}; give (N, {', '.join(map(str, self.shape))}) and (N,)"
            )
        with torch.autocast(embeddings.device.type, enabled=False), _fixed_choices(seed, embeddings.device):
            (embeddings, labels), _ = gather(embeddings.float(), labels.to(embeddings.device).long())
            self._check_labels(labels)
            loss = self._total(embeddings, labels)
            # Whatever the loss left out (no triplet, no positive) still gets a gradient: zero.
            return loss + 0.0 * sum((p.sum() for p in self.loss_parameters()), start=embeddings.sum())

    def loss_parameters(self) -> list[nn.Parameter]:
        """Proxies, class weights, beta: what the loss itself learns, usually with a learning rate of its own."""
        return list(self.loss.parameters())

    def _total(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if len(labels) == 0:
            return embeddings.sum()
        if not isinstance(self.loss, nn.ModuleList):
            return self._metric(self.loss, embeddings, labels)
        pairs = zip(self.loss, embeddings.unbind(1), strict=True)
        loss = torch.stack([self._metric(loss, vectors, labels) for loss, vectors in pairs]).mean()
        return loss if self.diversity is None else loss + self.diversity.weight * self.diversity(embeddings)

    def _metric(self, compare: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
        mined = self.miner(embeddings.detach(), labels)
        loss = compare(embeddings, labels) if mined is None else compare(embeddings, labels, mined)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise KinsightError(f"the loss {self.name} does not return one number; give it a reducer that averages")
        return loss.reshape(())

    def _check_labels(self, labels: Tensor) -> None:
        if len(labels) == 0:
            return
        low, high = torch.stack(labels.aminmax()).tolist()
        if low < 0 or high >= self.classes:
            raise KinsightError(
                f"the objective got labels from {low} to {high} but was made for {self.classes} classes; "
                f"number the training classes from 0 to {self.classes - 1}"
            )


@contextmanager
def _fixed_choices(seed: int, device: torch.device) -> Iterator[None]:
    """Random choices inside the block follow from `seed` alone, and the generators outside do not notice."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        # Not torch.manual_seed: it would also reseed the devices that are not put back.
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
