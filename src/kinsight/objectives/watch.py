"""A training that goes wrong is named when it does: numbers that are not finite, embeddings that collapse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinsight.errors import NotFiniteError

_SHOWN = 3


def check_finite(loss: Tensor, embeddings: Tensor, step: int, names: Sequence[str], loss_name: str) -> None:
    """Stop at the first step whose numbers are not finite. Waits for the device once.

    Args:
        embeddings: (N, D) of this process.
        names: the N file names of the batch.

    Raises:
        NotFiniteError: naming the step, the loss, whether the embeddings or only the loss went wrong, and the files.
    """
    # Both: a loss that averages its non-zero terms drops NaN terms, so a finite loss alone proves nothing.
    if bool(torch.isfinite(loss.detach()).all() & torch.isfinite(embeddings.detach()).all()):
        return
    bad = (~torch.isfinite(embeddings.detach()).all(dim=1)).nonzero().flatten().tolist()
    repair = "lower the learning rate, or train in fp32"
    if bad:
        files = _listed([names[row] for row in bad if row < len(names)])
        raise NotFiniteError(
            f"step {step}: the embeddings of {len(bad)} of {len(embeddings)} pictures are not finite ({files}), "
            f"so the loss {loss_name} cannot be trusted; {repair}"
        )
    raise NotFiniteError(
        f"step {step}: the loss {loss_name} is {float(loss):g} although every embedding of the batch is finite "
        f"({_listed(list(names))}); {repair}, or check the loss's options and its parameters' learning rate"
    )


class CollapseWatch(nn.Module):
    """Says once when the embeddings have become one point, or the loss stands where it is when they have.

    Args:
        stuck_at: the loss's value for collapsed embeddings (`Objective.collapsed_value`); None: not watched.
        every: look at every so many steps; the steps between cost nothing.
        patience: looks in a row that must agree.

    What it has counted is a buffer, so that a resumed training is told the same.
    """

    counts: Tensor

    def __init__(self, stuck_at: float | None = None, *, every: int = 10, patience: int = 10) -> None:
        super().__init__()
        self.stuck_at = stuck_at
        self.every = every
        self.patience = patience
        # Steps, looks in a row with one point, looks in a row at the stuck value, whether it was said.
        self.register_buffer("counts", torch.zeros(4, dtype=torch.int64))

    def look(self, loss: Tensor, embeddings: Tensor) -> str | None:
        """Feed one step; the sentence for the user at the look that makes it certain, else None.

        Args:
            embeddings: (N, D), N > 1 to count.
        """
        steps, narrow, stuck, said = self.counts.tolist()
        steps += 1
        self.counts[0] = steps
        if said or steps % self.every or len(embeddings) < 2:
            return None
        value, spread = torch.stack([loss.detach().float(), _spread(embeddings.detach())]).tolist()
        narrow = narrow + 1 if spread < 0.01 else 0
        stands = self.stuck_at is not None and abs(value - self.stuck_at) <= 0.01 * abs(self.stuck_at)
        stuck = stuck + 1 if stands else 0
        said = max(narrow, stuck) >= self.patience
        self.counts.copy_(torch.tensor([steps, narrow, stuck, said]))
        if narrow >= self.patience:
            found = f"the embeddings have collapsed: two pictures of a batch have a mean cosine of {1 - spread:.3f}"
        elif stuck >= self.patience:
            found = f"the loss stands at {value:.3g}, its value when all embeddings are the same"
        else:
            return None
        return (
            f"{found}, for the last {self.patience * self.every} steps; lower the learning rate, or choose an easier "
            "miner (none, distance-weighted) or another loss"
        )


def _spread(embeddings: Tensor) -> Tensor:
    """1 - mean cosine of two different rows, from the mean vector alone; 0 too when every row is zero."""
    unit = F.normalize(embeddings.float(), dim=1)
    return (unit - unit.mean(dim=0)).square().sum() / (len(unit) - 1)


def _listed(files: list[str]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"{', '.join(files[:_SHOWN])}{more}"
