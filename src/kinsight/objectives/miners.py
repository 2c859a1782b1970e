"""Miners by name: which pairs or triplets of a batch a loss sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from pytorch_metric_learning import miners
from pytorch_metric_learning.utils import loss_and_miner_utils as indices
from torch import Tensor, nn

from kinsight.objectives.losses import DISTANCES
from kinsight.registry import Named, Registry


class DistanceWeightedMiner(miners.BaseMiner):
    """Distance-weighted sampling (Wu et al. 2017, "Sampling Matters", section 4).

    For every ordered positive pair one negative of its anchor, drawn with probability proportional to 1 / q(d), where q
    is the density of distances of random points on the sphere: log q(d) = (D - 2) log d + (D - 3) / 2 log(1 - d^2 / 4).

    Args:
        cutoff: smaller distances count as this one, so that no negative takes all the weight.
        nonzero_loss_cutoff: negatives farther than this are not drawn, since they have no loss (beta + margin of the
            margin loss); an anchor without nearer negatives draws among all of its negatives. None: no limit.

    Unlike in pytorch-metric-learning's miner the weights are normalized per anchor, in the logarithm: with one maximum
    for the whole batch, one hard pair makes the weights of other anchors underflow in high dimensions, and those
    anchors vanish.
    """

    def __init__(self, cutoff: float = 0.5, nonzero_loss_cutoff: float | None = 1.4) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.nonzero_loss_cutoff = nonzero_loss_cutoff

    def mine(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor, ref_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Triplets (anchor, positive, negative) as three index vectors."""
        dimension = embeddings.shape[1]
        cosine = F.normalize(embeddings, dim=1) @ F.normalize(ref_emb, dim=1).T  # (N, M)
        # 1.999: at the antipode the density is 0 and its inverse infinite.
        distance = (2 - 2 * cosine).clamp(min=0).sqrt().clamp(self.cutoff, 1.999)
        matches, differences = indices.get_matches_and_diffs(labels, ref_labels)
        different = differences.bool()
        near = different if self.nonzero_loss_cutoff is None else different & (distance < self.nonzero_loss_cutoff)
        has_near = near.any(dim=1, keepdim=True)
        log_weight = (2 - dimension) * distance.log() - (dimension - 3) / 2 * torch.log(1 - distance**2 / 4)
        log_weight = torch.where(has_near, log_weight, torch.zeros_like(log_weight))
        log_weight = log_weight.masked_fill(~torch.where(has_near, near, different), -torch.inf)

        anchor, positive = torch.where(matches.bool() & different.any(dim=1, keepdim=True))
        if len(anchor) == 0:
            return anchor, positive, anchor.clone()
        weight = log_weight.softmax(dim=1)[anchor]  # (pairs, M)
        return anchor, positive, torch.multinomial(weight, 1).squeeze(1)


class NoMiner(nn.Module):
    """All pairs or triplets of the batch: the loss chooses."""

    def forward(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> None:
        """Nothing is mined."""


MINERS = Registry(
    "miner",
    {
        "none": Named(NoMiner, "nothing; the loss sees every pair or triplet of the batch"),
        # Epsilon of the multi-similarity method's code.
        "multi-similarity": Named(miners.MultiSimilarityMiner, "at least 2 pictures per class", {"epsilon": 0.1}),
        # Cut-offs of Wu et al. 2017; "Improving DML by Divide and Conquer" uses the same.
        "distance-weighted": Named(
            DistanceWeightedMiner, "at least 2 pictures per class", {"cutoff": 0.5, "nonzero_loss_cutoff": 1.4}
        ),
        "hard": Named(miners.BatchHardMiner, "at least 2 pictures per class; collapses easily from a random start"),
        "semihard": Named(
            miners.TripletMarginMiner,
            "at least 2 pictures per class",
            {"margin": 0.2, "type_of_triplets": "semihard"},
        ),
        "triplet-margin": Named(
            miners.TripletMarginMiner, "at least 2 pictures per class", {"margin": 0.2, "type_of_triplets": "all"}
        ),
    },
    base=miners.BaseMiner,
    call=("embeddings", "labels"),
    parts={"distance": DISTANCES},
    example="pytorch_metric_learning.miners.AngularMiner",
)


def build_miner(choice: dict[str, Any]) -> nn.Module:
    """The miner that `choice` names; called as `miner(embeddings, labels)`. The name null is none.

    Raises:
        KinsightError: see `Registry.build`.
    """
    made: nn.Module = MINERS.build(_named(choice))
    return made


def complete_miner(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice of a miner with the defaults of its options; see `Registry.complete`."""
    return MINERS.complete(_named(choice))


def _named(choice: Any) -> Any:
    without = isinstance(choice, Mapping) and choice.get("name", "") is None
    return {**choice, "name": "none"} if without else choice
