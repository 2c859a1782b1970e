"""Subspaces of an embedding: masks over its numbers ("Improving Deep Metric Learning by Divide and Conquer", equations 4 and 8).

A mask is a linear step behind the head; the lengths to which a picture's groups are brought again are gates.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.gates import gate
from kinsight.models.pooling import MAP

CONQUERS = ("sum", "unmasked")
ONLY_ONE = (
    "this model has one subspace, its whole embedding, because it is from before the first division, as in a run that keeps its start; "
    "take the last model (--which last, or the folder model-last of the run), or train with --keep_start false"
)


class SubspacesHead(nn.Module):
    """A head whose embedding is conquered: seen through the sum of the masks of its subspaces (equation 8).

    It learns nothing of its own: the masks are a method's, which writes them here. The embedding that they mask leaves as the extra
    `unmasked` (N, D).

    Args:
        head: the head that makes the embedding.
        subspaces: the most masks that there may be.
        conquer: sum weighs every number by the sum of the masks; unmasked leaves the embedding as it is (the public code's default).

    Attributes:
        masks: (subspaces, D), at least 0; rows that no subspace uses yet are 0.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    masks: Tensor
    used: Tensor

    def __init__(self, head: nn.Module, *, subspaces: int = 4, conquer: str = "sum") -> None:
        super().__init__()
        if subspaces < 1 or isinstance(subspaces, bool):
            raise KinsightError(f"head option subspaces is {subspaces!r}; write a whole number above 0")
        if conquer not in CONQUERS:
            raise KinsightError(f"head option conquer is {conquer!r}; write one of {', '.join(CONQUERS)}")
        self.head = head
        self.kind: Kind = getattr(head, "kind", "single")
        if self.kind == "subspaces":
            raise KinsightError("the head has subspaces of its own already; choose another head, or the plain method")
        self.dim: int = head.dim  # type: ignore[assignment]
        self.parts = int(getattr(head, "parts", 1))
        self.part_dim = int(getattr(head, "part_dim", self.dim // self.parts))
        self.reads: str = getattr(head, "reads", MAP)
        self.conquer = conquer
        self.register_buffer("masks", torch.cat([torch.ones(1, self.dim), torch.zeros(subspaces - 1, self.dim)]))
        self.register_buffer("used", torch.ones((), dtype=torch.int64))

    @property
    def subspaces(self) -> int:
        """How many masks there are by now."""
        return int(self.used)

    def write(self, masks: Tensor) -> None:
        """Take over masks (K, D), at least 0."""
        with torch.no_grad():
            self.masks.zero_()
            self.masks[: len(masks)] = masks
            self.used.fill_(len(masks))

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> the conquered embedding."""
        return self._conquered(self.head(feature_map))

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """What the head's pooling left, (N, C') -> the same."""
        return self._conquered(self.head.from_pooled(pooled))  # type: ignore[operator]

    def _conquered(self, found: Embedding) -> Embedding:
        weights = self.weights
        seen = found if weights is None else through(found, weights)
        return replace(seen, extras={**found.extras, "unmasked": found.whole})

    @property
    def weights(self) -> Tensor | None:
        """What the numbers are multiplied with, (D,); None: they are left as they are."""
        return None if self.conquer == "unmasked" else self.masks.sum(0)

    @property
    def shares(self) -> Tensor:
        """What the numbers of the conquered embedding are multiplied with to see each subspace, (K, D)."""
        masks = self.masks[: self.subspaces]
        return masks if self.conquer == "unmasked" else masks / self.masks.sum(0).clamp_min(1e-12)

    def alone(self, number: int) -> OneSubspace:
        """The head of one subspace.

        Raises:
            KinsightError: there is no such subspace.
        """
        known = self.subspaces
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < known:
            raise KinsightError(f"subspace {number!r} does not exist; this model has the subspaces 0 to {known - 1}")
        return OneSubspace(self.head, self.masks[number])


class OneSubspace(nn.Module):
    """The head of one subspace: the embedding seen through one mask (equation 4)."""

    mask: Tensor

    def __init__(self, head: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.head = head
        self.kind: Kind = getattr(head, "kind", "single")
        self.dim: int = head.dim  # type: ignore[assignment]
        self.parts = int(getattr(head, "parts", 1))
        self.part_dim = int(getattr(head, "part_dim", self.dim // self.parts))
        self.register_buffer("mask", mask.clone())

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> the embedding in this subspace."""
        return through(self.head(feature_map), self.mask)

    @property
    def weights(self) -> Tensor:
        """See `SubspacesHead.weights`."""
        return self.mask


def through(embedding: Embedding, weights: Tensor) -> Embedding:
    """An embedding whose numbers are weighed by `weights` (D,), at least 0; groups are brought to length 1 again, each on its own."""
    if embedding.kind == "groups":
        vectors = embedding.parts * weights.unflatten(0, embedding.parts.shape[1:])  # (N, P, d)
        vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
        parts = vectors / gate(vectors.norm(dim=2, keepdim=True).clamp_min(1e-12))
        return replace(embedding, parts=parts, whole=parts.flatten(1))
    whole = embedding.whole * weights  # (N, D)
    return replace(embedding, whole=whole, parts=whole.unsqueeze(1) if embedding.kind == "single" else embedding.parts)
