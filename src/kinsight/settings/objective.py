"""What a recipe may say about the objective."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ObjectiveSettings:
    """What is minimised."""

    loss: dict[str, Any] = field(default_factory=lambda: {"name": "margin"})
    """The loss: its name (or a class path) and its options."""
    miner: dict[str, Any] = field(default_factory=lambda: {"name": "none"})
    """The miner: its name (or a class path) and its options."""
    diversity: dict[str, Any] | None = None
    """Keep the groups of a picture apart, for heads with groups: weight, scale (paper, code), alpha, mu, beta0; null: no."""
    terms: dict[str, float] | None = None
    """Weights of terms by name: whole, parts, assigned, subset, across (of streams), or one of head or method; null: by the head."""
