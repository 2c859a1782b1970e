"""The objective of a training: a miner and a loss, computed on the batch of all processes, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.objectives.gathering import gather
from kinsight.objectives.losses import build_loss, collapsed_value
from kinsight.objectives.miners import build_miner


@dataclass
class ObjectiveSettings:
    """What is minimised."""

    loss: dict[str, Any] = field(default_factory=lambda: {"name": "margin"})
    """The loss: its name (or a class path) and its options."""
    miner: dict[str, Any] = field(default_factory=lambda: {"name": "none"})
    """The miner: its name (or a class path) and its options."""


class Objective(nn.Module):
    """Embeddings and labels -> one number.

    In a run of several processes each gives its share of the batch, and every process computes the same loss of the
    full batch. Wrap the trunk in DistributedDataParallel, never the objective; `gathering` says why the gradients are
    right.

    Proxies, class weights and beta depend on `seed` alone, so that they are equal on every process.

    Raises:
        KinsightError: the settings name no known loss or miner, or options that it does not have.
    """

    def __init__(self, settings: ObjectiveSettings, *, dim: int, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes
        self.name = str(settings.loss.get("name")) if isinstance(settings.loss, dict) else str(settings.loss)
        with _fixed_choices(seed, torch.device("cpu")):
            self.loss = build_loss(settings.loss, dim=dim, classes=classes)
        self.miner = build_miner(settings.miner)
        self.collapsed_value = collapsed_value(settings.loss)

    def forward(self, embeddings: Tensor, labels: Tensor, *, seed: int) -> Tensor:
        """The loss of the batch, a float32 scalar; a pure function of its inputs and the loss parameters.

        A batch in which the loss finds nothing to compare gives 0 and zero gradients.

        Args:
            embeddings: (N, dim), any floating type; under autocast too the loss is computed in float32.
            labels: (N,), whole numbers from 0 to classes - 1.
            seed: decides the random choices of the miner; the same on every process.

        Raises:
            KinsightError: the shapes or the labels do not fit.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.dim or labels.shape != embeddings.shape[:1]:
            raise KinsightError(
                f"the objective got embeddings of shape {tuple(embeddings.shape)} and labels of shape "
                f"{tuple(labels.shape)}; give (N, {self.dim}) and (N,)"
            )
        with torch.autocast(embeddings.device.type, enabled=False), _fixed_choices(seed, embeddings.device):
            (embeddings, labels), _ = gather(embeddings.float(), labels.to(embeddings.device).long())
            self._check_labels(labels)
            loss = self._loss(embeddings, labels)
            # Whatever the loss left out (no triplet, no positive) still gets a gradient: zero.
            return loss + 0.0 * sum((p.sum() for p in self.loss_parameters()), start=embeddings.sum())

    def loss_parameters(self) -> list[nn.Parameter]:
        """Proxies, class weights, beta: what the loss itself learns, usually with a learning rate of its own."""
        return list(self.loss.parameters())

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if len(labels) == 0:
            return embeddings.sum()
        mined = self.miner(embeddings.detach(), labels)
        loss = self.loss(embeddings, labels) if mined is None else self.loss(embeddings, labels, mined)
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
