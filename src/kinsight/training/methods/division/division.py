"""Divide and conquer, around any head and any loss ("Improving Deep Metric Learning by Divide and Conquer")."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinsight import processes
from kinsight.evaluation.clustering import nmi
from kinsight.models import HEADS, Embedder, Embedding, ModelSettings
from kinsight.settings.training import BatchSettings
from kinsight.training.methods.division.batches import ASIDE, ClusterBatches, steps_of_the_code
from kinsight.training.methods.division.clustering import (
    Cut,
    at_random,
    bisected,
    by_category,
    by_features,
    divided,
    paired,
)
from kinsight.training.methods.division.masks import Masks, Orthogonality, SubspaceView
from kinsight.training.methods.division.matching import agreement, matched
from kinsight.training.methods.division.options import check_options
from kinsight.training.methods.division.running import RunningFeatures
from kinsight.training.methods.method import Method
from kinsight.training.methods.plain import usual_sampler
from kinsight.training.parameter_groups import ParameterGroup


class Division(Method):
    """Pictures are clustered again and again as the embedding grows, and each cluster trains a subspace of it, a mask over its numbers.

    Every `every` epochs: embed the training pictures, cut them into as many clusters as there are, give these the numbers of the old
    ones that they continue, and, until there are `subspaces`, cut every one in two; the masks of two children begin as their
    parent's. Pictures alone of their class in a cluster do not train until the next time. An epoch has as many steps as without.

    Args:
        subspaces: K, the most clusters and masks.
        every: tau, epochs between two divisions.
        masks: `learn` (soft masks), `fix` (equal parts of the embedding that share nothing) or `none` (clusters only).
        progressive: double the clusters with each division; else there are `subspaces` from the start.
        clusters: what the pictures are cut by: their `embedding` (the paper), the `trunk`'s pooled map (the public code's default), at
            `random`, or by their `category` in the table.
        features: `fresh` embeds the training pictures anew for every division; `running` takes what the training passes gave.
        order: which cluster's turn it is: `random` (the paper), `round-robin` (the public code) or `proportional`.
        conquer: the final embedding: weighed by the `sum` of the masks (the paper) or `unmasked` (the public code's default). The
            same for masks that are not learned.
        fine_tune: epoch (from 0) from which the final embedding trains instead of the subspaces, still on clusters; null: never.
        orthogonality: lambda, what the mean cosine of learned masks counts beside the loss.
        mask_lr: learning rate of learned masks; null: that of the loss's own parameters.
        mask_decay: their weight decay, likewise.
        mask_start: learned masks begin as `ones` or as `normal` draws.
        matching: old and new clusters by `iou` (the paper) or `overlap` (the public code).
        inverse_matching: give clusters the inverse numbers of the matching, as the public code does.
        freeze: epochs after each division, and at the beginning, in which the trunk stands still; the public code's option.
        tries: starts of k-means until every cluster can form pairs.
        iterations: of k-means.
    """

    clusters: Tensor
    history: Tensor
    divisions: Tensor

    def __init__(
        self,
        labels: np.ndarray,
        categories: np.ndarray | None,
        batches: BatchSettings,
        seed: int,
        embedder: Embedder,
        embed: Callable[..., Any],
        *,
        subspaces: int = 4,
        every: int = 2,
        masks: str = "learn",
        progressive: bool = True,
        clusters: str = "embedding",
        features: str = "fresh",
        order: str = "random",
        conquer: str = "sum",
        fine_tune: int | None = None,
        orthogonality: float = 0.01,
        mask_lr: float | None = None,
        mask_decay: float | None = None,
        mask_start: str = "ones",
        matching: str = "iou",
        inverse_matching: bool = False,
        freeze: int = 0,
        tries: int = 30,
        iterations: int = 100,
    ) -> None:
        super().__init__()
        groups = embedder.unit_groups
        check_options(locals(), width=embedder.dim // groups)
        self.labels, self.categories, self.batches, self.seed = labels, categories, batches, seed
        self.every, self.by, self.order, self.fine_tune, self.freeze = every, clusters, order, fine_tune, freeze
        self.matching, self.inverse_matching, self.tries, self.iterations = (
            matching,
            inverse_matching,
            tries,
            iterations,
        )
        self.mask_rates = mask_lr, mask_decay
        self.orthogonality, self.progressive = orthogonality, progressive
        self._embedder, self._embed = (embedder,), embed
        self.steps = len(usual_sampler(labels, batches, seed))
        self.counts = [2**depth for depth in range(subspaces.bit_length())] if progressive else [subspaces]
        self.masks = Masks(self.counts, groups, embedder.dim // groups, kind=masks, start=mask_start, seed=seed)
        # `history` has the clusters of each depth as they were when it began, which makes a tree: 2 c and 2 c + 1 come out of c.
        self.register_buffer("clusters", torch.zeros(len(labels), dtype=torch.int64))
        self.register_buffer("history", torch.full((len(self.counts), len(labels)), ASIDE, dtype=torch.int32))
        self.register_buffer("divisions", torch.zeros((), dtype=torch.int64))
        self.history[0] = 0
        self.running = RunningFeatures(len(labels), embedder.dim) if features == "running" else None

    @classmethod
    def model(cls, settings: ModelSettings, options: Mapping[str, Any]) -> ModelSettings:
        """See `Method.model`: the masks go around the head."""
        conquer = options["conquer"] if options["masks"] == "learn" else "unmasked"
        inner = HEADS.complete(settings.head, importing=True)
        head = {"name": "subspaces", "head": inner, "subspaces": options["subspaces"], "conquer": conquer}
        return replace(settings, head=head)

    def sampler(self) -> ClusterBatches:
        """See `Method.sampler`."""
        return ClusterBatches(
            self.labels,
            self.clusters.cpu().numpy(),
            self.batches,
            length=self.steps,
            seed=self.seed,
            order=self.order,
        )

    def advance(self, epoch: int) -> dict[str, Any]:
        """See `Method.advance`: divide where it is time."""
        facts = self._divide(epoch) if self._is_due(epoch) else {}
        if epoch == self.fine_tune:
            self.masks.conquering.fill_(True)
            facts["fine_tuning"] = True
        self.settle()
        return facts

    def observe(self, rows: Tensor, embedding: Embedding) -> None:
        """See `Method.observe`."""
        if self.running is not None:
            self.running.observe(rows, embedding)

    def settle(self) -> None:
        """See `Method.settle`: the masks as they are now."""
        self._embedder[0].head.write(self.masks.used())  # type: ignore[operator]

    def lr_factor(self, group: str, epoch: int) -> float:
        """See `Method.lr_factor`."""
        rests = group.partition(".")[0] == "trunk" and epoch % self.every < self.freeze
        done = group == "method.masks" and self.fine_tune is not None and epoch >= self.fine_tune
        return 0.0 if rests or done else 1.0

    def parameter_groups(self) -> list[ParameterGroup]:
        """See `Method.parameter_groups`."""
        parameters = list(self.masks.parameters())
        return [ParameterGroup("masks", parameters, *self.mask_rates)] if parameters else []

    def terms(self) -> dict[str, nn.Module]:
        """See `Method.terms`."""
        learned = self.masks.kind == "learn" and self.orthogonality > 0
        return {"orthogonality": Orthogonality(self.masks, self.orthogonality)} if learned else {}

    def view(self) -> nn.Module:
        """See `Method.view`."""
        return SubspaceView(self.masks)

    def _is_due(self, epoch: int) -> bool:
        if self.counts[-1] == 1:
            return False
        return epoch % self.every == 0 if epoch else not self.progressive

    def _divide(self, epoch: int) -> dict[str, Any]:
        started = time.monotonic()
        rows, cut = self._cut()
        embedded = time.monotonic()
        count, old = self.counts[int(self.masks.depth)], self.clusters.cpu().numpy()
        splits = int(self.masks.depth) + 1 < len(self.counts)
        found, facts = old, dict[str, Any]()
        if processes.is_main():
            found, facts = self._divided(cut, rows, count, splits, epoch)
        found = processes.broadcast(torch.from_numpy(found)).numpy()
        if (found >= 0).any():  # else nothing could be cut so that pairs are left, and the old clusters go on
            self.clusters.copy_(torch.from_numpy(found))
            if splits:
                self.masks.deepen()
            if splits or not int(self.divisions):
                self.history[int(self.masks.depth)] = self.clusters.int()
        self.divisions += 1
        found = self.clusters.cpu().numpy()
        sizes = np.bincount(found[found >= 0], minlength=self.counts[int(self.masks.depth)])
        seconds = {"features": embedded - started, "clustering": time.monotonic() - embedded}
        return {
            "clusters": len(sizes),
            "sizes": sizes.tolist(),
            "idle": int((sizes == 0).sum()),
            "set_aside": int((found < 0).sum()),
            **facts,
            "steps_of_the_code": steps_of_the_code(found, self.batches.size),
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
        }

    def _divided(
        self, cut: Cut, rows: np.ndarray, count: int, splits: bool, epoch: int
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The new clusters (N,), and how far they continue the old ones."""
        old, again = self.clusters.cpu().numpy(), int(self.divisions) > 0 or self.progressive
        # k-means starts from the same pictures every time, so that clusters move no more than the embedding does.
        seed = int(np.random.SeedSequence((self.seed, epoch if self.by == "random" else 0)).generate_state(1)[0] >> 4)
        new = np.full(len(old), ASIDE)
        new[rows] = divided(cut, self.labels, rows, count, seed=seed, tries=self.tries)
        facts: dict[str, Any] = {}
        if again and count > 1:
            new = matched(old, new, count, by=self.matching, inverse=self.inverse_matching)
            both = (old >= 0) & (new >= 0)
            facts = {
                "agreement": round(agreement(old, new), 4),
                "nmi": round(nmi(old[both], new[both]), 4) if both.any() else 0.0,
            }
        if splits:
            new = bisected(cut, self.labels, new, count, seed=seed, tries=self.tries)
        return paired(self.labels, new), facts

    def _cut(self) -> tuple[np.ndarray, Cut]:
        """The pictures that can be cut, (R,), and how."""
        everything = np.arange(len(self.labels))
        if self.by == "random":
            return everything, at_random
        if self.by == "category":
            assert self.categories is not None
            return everything, by_category(self.labels, self.categories)
        if self.running is not None:
            rows, vectors = self.running.completed(self._embed)
        else:
            found = self._embed(pooled=self.by == "trunk")
            rows, vectors = found.rows, found.vectors
        features = np.zeros((len(self.labels), vectors.shape[1]), np.float32)
        features[rows] = vectors
        return rows, by_features(features, self.iterations)
