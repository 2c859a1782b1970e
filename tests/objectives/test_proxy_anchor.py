"""Property 10 of the relational method's facts: Proxy-Anchor by hand, and which way each cosine pulls."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kinsight.objectives.losses import build_loss

CLASSES, LABELS = 3, [0, 0, 1]  # no picture of class 2
COSINES = torch.tensor([[0.6, 0.1, -0.2], [0.3, -0.1, 0.4], [0.2, 0.5, 0.3]])
MARGIN, ALPHA = 0.2, 8.0


def loss_of(cosines: Tensor) -> Tensor:
    """The loss of pictures with these cosines (N, C) to the proxies, which are the first unit vectors of a space with room for the rest."""
    made: Any = build_loss({"name": "proxy-anchor", "margin": MARGIN, "alpha": ALPHA}, dim=CLASSES + 1, classes=CLASSES)
    made.proxies.data = torch.eye(CLASSES, CLASSES + 1)
    rest = (1 - cosines.square().sum(1, keepdim=True)).sqrt()
    found: Tensor = made(torch.cat([cosines, rest], dim=1), torch.tensor(LABELS))
    return found


def test_10_by_hand() -> None:
    positive = [
        math.log1p(sum(math.exp(-ALPHA * (float(COSINES[n, c]) - MARGIN)) for n in range(3) if LABELS[n] == c))
        for c in (0, 1)
    ]
    negative = [
        math.log1p(sum(math.exp(ALPHA * (float(COSINES[n, c]) + MARGIN)) for n in range(3) if LABELS[n] != c))
        for c in range(3)
    ]
    assert float(loss_of(COSINES).detach()) == pytest.approx(sum(positive) / 2 + sum(negative) / 3, rel=1e-5)


def test_10_positives_pull_and_negatives_push_also_those_of_a_class_without_pictures() -> None:
    cosines = COSINES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(cosines), cosines)
    own = torch.zeros(3, CLASSES, dtype=torch.bool)
    own[range(3), LABELS] = True
    assert (gradient[own] < 0).all()
    assert (gradient[~own] > 0).all()
    assert (gradient[:, 2] > 0).all()
