"""Within-class whitening: directions in which pictures of one class differ count less."""

from __future__ import annotations

import torch
from torch import Tensor

SHRINKAGE = 0.003
"""Chosen on birds and cars that benchmarks/folders.py leaves out; benchmarks/whitening.py compares it with others."""


def within_class_whitening(vectors: Tensor, labels: Tensor, *, shrinkage: float = SHRINKAGE) -> tuple[Tensor, Tensor]:
    """The affine map (W, b) under which the differences inside the training classes have about one size in every direction.

    x -> W (x - m), where m is the mean of the class means and W = sqrt(t) (S + t I)^(-1/2) with the covariance S within classes, every
    class counting alike, and t = `shrinkage` of its trace: where there is little variance, or none was seen, W is the identity.
    Source: Hatch, Kajarekar, Stolcke, "Within-class covariance normalization for SVM-based speaker recognition", Interspeech 2006.

    Args:
        vectors: (N, D), not normalized.
        labels: (N,), the class of each.
        shrinkage: t as a share of the trace.

    Returns:
        W (D, D) and b (D,) = -W m.
    """
    vectors = vectors.double()
    groups = [vectors[labels == label] for label in labels.unique()]
    mean = torch.stack([group.mean(0) for group in groups]).mean(0)  # (D,)
    # Rows whose sum of squares is S: a class of any size weighs as much as another.
    inside = torch.cat([(group - group.mean(0)) / (len(group) * len(groups)) ** 0.5 for group in groups])  # (N, D)
    _, deviations, directions = torch.linalg.svd(inside, full_matrices=False)  # (K,), (K, D)
    variances = deviations.square()
    floor = shrinkage * variances.sum()
    gains = (floor / (variances + floor)).sqrt() if floor > 0 else torch.ones_like(variances)  # (K,)
    weight = torch.eye(vectors.shape[1], dtype=vectors.dtype) + directions.T @ ((gains - 1)[:, None] * directions)
    return weight.float(), (-weight @ mean).float()
