"""Property 12: of two independent factors, one a branch, each branch finds its own, and what they make together finds both."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.models import make_head
from kinsight.objectives import Objective, ObjectiveSettings

VALUES, EACH, WIDTH, DIM, STEPS = 6, 8, 16, 16, 60


class Planted(NamedTuple):
    """Pooled vectors (N, 2 WIDTH), whose first half shows one factor and whose second the other, and the factors (N, 2)."""

    pooled: Tensor
    factors: Tensor

    @property
    def classes(self) -> Tensor:
        return self.factors @ torch.tensor([VALUES, 1])


def planted(seen: bool) -> Planted:
    """The combinations of two factors that train, or the others."""
    generator = torch.Generator().manual_seed(1)
    looks = torch.randn(2, VALUES, WIDTH, generator=generator)
    grid = torch.cartesian_prod(torch.arange(VALUES), torch.arange(VALUES))  # (VALUES^2, 2)
    trains = (grid.sum(1) % 3) > 0  # each value in some of both
    factors = grid[trains == seen].repeat(EACH, 1)
    noise = 0.7 * torch.randn(len(factors), 2 * WIDTH, generator=torch.Generator().manual_seed(2 + seen))
    return Planted(torch.cat([looks[number, factors[:, number]] for number in range(2)], dim=1) + noise, factors)


def trained() -> Any:
    data = planted(seen=True)
    classes, labels = data.classes.unique(return_inverse=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head: Any = make_head({"name": "relational", "branches": 2, "dim": DIM}, 2 * WIDTH, (1, 1))
    settings = ObjectiveSettings({"name": "proxy-anchor"}, {"name": "none"}, None, {"whole": 10.0})
    objective = Objective(
        settings, dim=DIM, classes=len(classes), kind="nodes", parts=2, normalize=True, brings=[head.terms]
    )
    groups = [{"params": head.parameters(), "lr": 3e-3}, {"params": objective.parameters(), "lr": 3e-2}]
    optimizer = torch.optim.Adam(groups)
    for step in range(STEPS):
        optimizer.zero_grad()
        objective(head.from_pooled(data.pooled), labels, seed=step).total.backward()
        optimizer.step()
    return head.eval()


def found_first(vectors: Tensor, labels: Tensor) -> float:
    """How often the nearest other row has the same label."""
    unit = functional.normalize(vectors, dim=1)
    similarity = (unit @ unit.T).fill_diagonal_(-2)
    return float((labels[similarity.argmax(1)] == labels).float().mean())


def test_12_together_they_find_what_neither_branch_finds_alone() -> None:
    head, data = trained(), planted(seen=False)
    with torch.no_grad():
        found = head.from_pooled(data.pooled)
    own = [[found_first(found.parts[:, branch], data.factors[:, factor]) for factor in range(2)] for branch in range(2)]
    alone = [found_first(found.parts[:, branch], data.classes) for branch in range(2)]
    told = [found_first(part, data.classes) for part in found.whole.unflatten(1, (2, -1)).unbind(1)]
    together = found_first(found.whole, data.classes)
    # A value of one factor comes with two values of the other here, so that chance is a half.
    assert own[0][0] > own[0][1] + 0.3
    assert own[1][1] > own[1][0] + 0.3
    assert together > max(alone) + 0.3
    assert max(told) < together
    assert found.extras["relations"].any()
