"""Which map a model is explained on when nobody says: one stage lower where the last one is too coarse to show parts, and that is exact."""

from __future__ import annotations

from typing import Any, Literal

import torch

from kinsight.errors import KinsightError
from kinsight.explanation.contributions import affinity_error
from kinsight.explanation.opening import open_model
from kinsight.explanation.pair import FEWEST
from kinsight.models import Embedder

Stage = int | Literal["auto"]


def automatic_stage(model: Any, *, gates: str = "declared", tolerance: float) -> int:
    """1 for a Kinsight model whose last map is smaller than 7 x 7 and whose next finer one is exact; else 0.

    Exactness is tried on one picture of noise: a gate that was not declared shows on any picture.

    Args:
        model: whatever is explained.
        gates: as in `contributions`.
        tolerance: the largest affinity error that counts as exact.
    """
    if not isinstance(model, Embedder) or not any(
        places < fewest for places, fewest in zip(model.trunk.map_size, FEWEST, strict=True)
    ):
        return 0
    height, width = model.preprocessing.height_width
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    try:
        opened = open_model(model, stage=1)(noise)
        if max(opened.layout.size(opened.feature_map)) <= max(model.trunk.map_size):
            return 0  # a lower block of a ViT, which has as many places
        error = float(affinity_error(opened.head, opened.feature_map, gates=gates).max())
    except KinsightError:  # it has no finer map, or none that can be opened
        return 0
    return int(error <= tolerance)
