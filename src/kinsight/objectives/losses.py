"""Losses by name: classes of pytorch-metric-learning with the defaults of the methods' papers.

Where a default is a search result it comes from "A Metric Learning Reality Check" (Musgrave et al. 2020, supplement).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import BaseDistance
from pytorch_metric_learning.reducers import BaseReducer
from pytorch_metric_learning.regularizers import BaseRegularizer
from torch import nn

from kinsight.objectives.deviance import BinomialDeviance
from kinsight.objectives.weighted_soft_margin import WeightedSoftMargin
from kinsight.registry import Named, Registry


class MarginLoss(losses.MarginLoss):
    """The margin loss of Wu et al. 2017, with beta shared by all classes or one per class (`per_class`)."""

    def __init__(self, num_classes: int, per_class: bool = False, **options: Any) -> None:
        super().__init__(num_classes=num_classes if per_class else None, **options)


_PAIRS = "at least 2 pictures of some class and 2 classes in a batch"
_CLASSES = "labels only; 1 picture per class is enough; learns one or more vectors per training class"

DISTANCES = Registry("distance", {}, base=BaseDistance, example="pytorch_metric_learning.distances.LpDistance")
_REDUCERS = Registry("reducer", {}, base=BaseReducer, example="pytorch_metric_learning.reducers.AvgNonZeroReducer")
_REGULARIZERS = Registry(
    "regularizer", {}, base=BaseRegularizer, example="pytorch_metric_learning.regularizers.LpRegularizer"
)
LOSSES = Registry(
    "loss",
    {
        # Hadsell et al. 2006; margins of "Attentive Grouping", equation 1.
        "contrastive": Named(losses.ContrastiveLoss, _PAIRS, {"pos_margin": 0.0, "neg_margin": 1.0}),
        # Unsquared distances of unit vectors, mean over the non-zero triplets; "Divide and Conquer" trains with 0.2.
        "triplet": Named(losses.TripletMarginLoss, _PAIRS, {"margin": 0.2, "swap": False}),
        # log(1 + exp(d_ap - d_an)), mean over all triplets ("Divide and Conquer", Table VI).
        "soft-triplet": Named(losses.TripletMarginLoss, _PAIRS, {"margin": 0.0, "swap": False, "smooth_loss": True}),
        # Hu et al. 2018 ("CVM-Net"), over all negatives of the batch: what cross-view matching trains with.
        "weighted-soft-margin": Named(WeightedSoftMargin, _PAIRS, {"alpha": 10.0}),
        # Van den Oord et al. 2018: each positive against all negatives of its anchor; across streams CLIP's loss (Radford et al. 2021).
        "info-nce": Named(losses.NTXentLoss, _PAIRS, {"temperature": 0.07}),
        # Sohn 2016 on unit vectors, one pair per class. The paper's inner products of raw vectors:
        # distance: {name: pytorch_metric_learning.distances.DotProductSimilarity, normalize_embeddings: false}
        "n-pairs": Named(losses.NPairsLoss, "at least 2 pictures per class; more than 2 are not used"),
        # Wu et al. 2017; beta fixed and shared as in "Divide and Conquer". "Attentive Grouping": learn_beta and per_class.
        "margin": Named(
            MarginLoss,
            f"{_PAIRS}; made for the miner distance-weighted",
            {"margin": 0.2, "beta": 1.2, "nu": 0.0, "learn_beta": False, "per_class": False},
        ),
        # Wang et al. 2019, as their code trains; the text gives beta 50.
        "multi-similarity": Named(
            losses.MultiSimilarityLoss,
            f"{_PAIRS}; made for the miner multi-similarity",
            {"alpha": 2.0, "beta": 40.0, "base": 0.5},
        ),
        # Movshovitz-Attias et al. 2017 as a softmax over all proxies; the Reality Check finds scales of 8 to 14.
        "proxy-nca": Named(losses.ProxyNCALoss, _CLASSES, {"softmax_scale": 10.0}),
        # Kim et al. 2020.
        "proxy-anchor": Named(losses.ProxyAnchorLoss, _CLASSES, {"margin": 0.1, "alpha": 32.0}),
        # Zhai and Wu 2019; the Reality Check finds temperatures of 0.06 to 0.11.
        "norm-softmax": Named(losses.NormalizedSoftmaxLoss, _CLASSES, {"temperature": 0.05}),
        # Wang et al. 2018.
        "cosface": Named(losses.CosFaceLoss, _CLASSES, {"margin": 0.35, "scale": 64.0}),
        # Deng et al. 2019: 0.5 radians; the option is in degrees.
        "arcface": Named(losses.ArcFaceLoss, _CLASSES, {"margin": 28.6, "scale": 64.0}),
        # Cakir et al. 2019.
        "fastap": Named(losses.FastAPLoss, f"{_PAIRS}; better with large batches", {"num_bins": 10}),
        # Yuan et al. 2019; the Reality Check finds negative margins of 0.7 to 1.1.
        "snr": Named(losses.SignalToNoiseRatioContrastiveLoss, _PAIRS, {"pos_margin": 0.0, "neg_margin": 1.0}),
        # Qian et al. 2019.
        "soft-triple": Named(
            losses.SoftTripleLoss, _CLASSES, {"centers_per_class": 10, "la": 20.0, "gamma": 0.1, "margin": 0.01}
        ),
        # "Attentive Grouping", equation 2.
        "binomial": Named(
            BinomialDeviance, _PAIRS, {"alpha": 2.0, "m": 0.5, "beta1": 1.0, "beta0": 25.0, "self_pairs": False}
        ),
    },
    call=("embeddings", "labels"),
    hands=("num_classes", "embedding_size"),
    parts={
        "distance": DISTANCES,
        "reducer": _REDUCERS,
        "embedding_regularizer": _REGULARIZERS,
        "weight_regularizer": _REGULARIZERS,
    },
    example="pytorch_metric_learning.losses.CircleLoss",
)

# What a loss is worth when all embeddings are one point: a run that stands there has learned nothing.
_COLLAPSED: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "contrastive": lambda options: options["neg_margin"],
    "snr": lambda options: options["neg_margin"],
    "triplet": lambda options: options["margin"],
    "soft-triplet": lambda options: math.log1p(math.exp(options["margin"])),
    "weighted-soft-margin": lambda options: math.log(2),
    "margin": lambda options: None if options["learn_beta"] else options["beta"] + options["margin"],
}


def build_loss(choice: dict[str, Any], *, dim: int, classes: int) -> nn.Module:
    """The loss that `choice` names; called as `loss(embeddings, labels[, indices])`.

    Raises:
        KinsightError: see `Registry.build`.
    """
    made: nn.Module = LOSSES.build(choice, {"num_classes": classes, "embedding_size": dim})
    return made


def complete_loss(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice of a loss with the defaults of its options; see `Registry.complete`."""
    return LOSSES.complete(choice)


def collapsed_value(choice: dict[str, Any]) -> float | None:
    """The value of this loss when all embeddings are the same; None where it is not a constant."""
    name = choice["name"]
    if name not in _COLLAPSED or not LOSSES[name].defaults.keys() >= choice.keys() - {"name"}:
        return None
    return _COLLAPSED[name]({**LOSSES[name].defaults, **choice})
