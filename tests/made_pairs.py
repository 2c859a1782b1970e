"""Pairs made of random feature maps and heads, without a trunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foreign.heads import trained
from kinsight.explanation import Layout, Opened, Pair, View, contributions
from kinsight.models import LinearHead

CHANNELS, GRID, SIZE = 6, (3, 4), (24, 32)

HEADS: dict[str, dict[str, Any]] = {
    "average": {"pooling": "avg"},
    "maximum": {"pooling": "max"},
    "both": {"pooling": "avg+max"},
    "generalised mean": {"pooling": "gem"},
    "flatten": {"pooling": "flatten"},
    "batch norm": {"pooling": "flatten", "batch_norm": True},
    "BNNeck": {"pooling": "avg", "dim": None, "batch_norm": True},
    "ReLU": {"pooling": "max", "hidden": [9], "relu": True, "batch_norm": True},
}


def head_of(name: str, **options: Any) -> LinearHead:
    """A head of the package after a few steps of training, float64, in eval mode."""
    torch.manual_seed(5)
    head = LinearHead(CHANNELS, GRID, **{"dim": 8, **HEADS[name], **options})
    if any(value.requires_grad for value in head.parameters()):
        trained(head)
    return head.double().eval()


def without_bias(head: LinearHead) -> LinearHead:
    """The head with everything taken away that it adds."""
    for layer in head.layers:
        for name in ("bias", "running_mean"):
            value = getattr(layer, name, None)
            if value is not None:
                nn.init.zeros_(value)
    return head


def maps(count: int = 2, seed: int = 0, grid: tuple[int, int] = GRID) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, CHANNELS, *grid, generator=generator, dtype=torch.float64) + 0.3


def views(head: Any, feature_map: Tensor, size: tuple[int, int] = SIZE) -> list[View]:
    """One view for each map (N, C, h, w)."""
    found = contributions(head, feature_map)
    rows = zip(found.places.numpy(), found.bias.numpy(), found.whole.numpy(), strict=True)
    return [View(places, bias, whole, size) for places, bias, whole in rows]


def pair_of(head: Any, feature_map: Tensor) -> Pair:
    """The pair of the first two maps."""
    query, other = views(head, feature_map[:2])
    return Pair(query, other)


def opened(head: Any, feature_map: Tensor) -> Opened:
    return Opened(feature_map, head, Layout())


def wholes(head: Any, feature_map: Tensor) -> np.ndarray:
    """(N, D), from the head alone."""
    with torch.no_grad():
        return head(feature_map).whole.numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
