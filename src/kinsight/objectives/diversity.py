"""The groups of a picture shall differ: binomial deviance of the cosine of two groups of the same picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.registry import Named, Registry

SCALES = ("paper", "code")


class DiversityLoss(nn.Module):
    """log(1 + exp(alpha (s - mu) beta0)) with s the cosine of two groups of a picture ("Attentive Grouping", equation 4).

    With the defaults groups that are the same cost 25, groups at a cosine of 0.5 cost 0.69, and orthogonal groups
    nothing: only similar ones are pushed. A single group costs 0.

    Args:
        weight: lambda1, what the loss counts beside the metric loss. The text has 0.02 (Table 2) and 0.01 (Tables 3, 4).
        scale: "paper" averages over the pairs of groups; "code" adds them up and divides by P - 1, which is P / 2 times
            as much.
        alpha: steepness.
        mu: the cosine above which groups count as similar.
        beta0: cost of similar groups. The code's value; the paper's Table 1 has it in the place of beta1.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    def __init__(
        self,
        *,
        weight: float = 0.01,
        scale: str = "paper",
        alpha: float = 2.0,
        mu: float = 0.5,
        beta0: float = 25.0,
    ) -> None:
        super().__init__()
        if scale not in SCALES:
            raise KinsightError(f"diversity option scale is {scale!r}; write one of {', '.join(SCALES)}")
        for name, value in {"weight": weight, "alpha": alpha, "beta0": beta0}.items():
            if not _is_number(value) or value < 0:
                raise KinsightError(f"diversity option {name} is {value!r}; write a number of at least 0")
        if not _is_number(mu) or not -1 <= mu <= 1:
            raise KinsightError(f"diversity option mu is {mu!r}; write a cosine, from -1 to 1")
        self.weight = weight
        self.scale = scale
        self.alpha = alpha
        self.mu = mu
        self.beta0 = beta0

    def forward(self, parts: Tensor) -> Tensor:
        """The loss of the groups (N, P, d), of any length, before `weight`; a scalar, 0 for one group or no picture."""
        groups = parts.shape[1]
        if groups < 2 or len(parts) == 0:
            return 0.0 * parts.sum()
        unit = F.normalize(parts, dim=2)
        one, other = torch.triu_indices(groups, groups, offset=1, device=parts.device)  # (pairs,)
        cosine = (unit[:, one] * unit[:, other]).sum(dim=2)  # (N, pairs)
        mean = F.softplus(self.alpha * self.beta0 * (cosine - self.mu)).mean()
        return mean * (groups / 2) if self.scale == "code" else mean


DIVERSITIES = Registry(
    "diversity",
    {"deviance": Named(DiversityLoss, "a head with groups")},
    call=("parts",),
    default="deviance",
    example="mine.Diversity",
)


def build_diversity(choice: Mapping[str, Any] | None) -> nn.Module | None:
    """The diversity loss of that name with these options; None for none.

    Raises:
        KinsightError: see `Registry.build`.
    """
    made: nn.Module | None = None if choice is None else DIVERSITIES.build(choice)
    if made is not None and not isinstance(getattr(made, "weight", None), int | float):
        raise KinsightError(
            "a diversity says in its attribute `weight` what it counts beside the loss, a number; add it"
        )
    return made


def complete_diversity(choice: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The choice of the diversity loss with the defaults of its options; None for none."""
    return None if choice is None else DIVERSITIES.complete(choice)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
