"""Masks that cut an embedding into subspaces, one a cluster: soft and learned, or fixed halves that share nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.models import Embedding
from kinsight.models.subspaces import through
from kinsight.objectives import Term

KINDS = ("learn", "fix", "none")
STARTS = ("ones", "normal")


class Masks(nn.Module):
    """The masks of every depth of a division; those of one depth are in use.

    All are made at once, so that optimizer and checkpoint never change their shape; a depth that is reached begins without momentum,
    because nothing trained it before.

    Args:
        counts: how many masks each depth has.
        groups: P, the groups of the embedding; each is cut on its own.
        width: d, the numbers of each group.
        kind: `learn`: one parameter a number, of which ReLU is used; `fix`: contiguous parts, 0 or 1; `none`: all ones.
        start: values of the first masks that are learned: `ones`, or `normal` draws of mean 0.9 and deviation 0.7.
        seed: of these draws.

    Attributes:
        depth: which are in use.
        conquering: whether they have had their time: the whole embedding is fine-tuned.
    """

    depth: Tensor
    conquering: Tensor

    def __init__(
        self, counts: list[int], groups: int, width: int, *, kind: str = "learn", start: str = "ones", seed: int = 0
    ) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("depth", torch.zeros((), dtype=torch.int64))
        self.register_buffer("conquering", torch.zeros((), dtype=torch.bool))
        values = [
            fixed_masks(count, groups, width) if kind == "fix" else torch.ones(count, groups * width)
            for count in counts
        ]
        if kind == "learn":
            if start == "normal":
                values[0] = 0.9 + 0.7 * torch.randn(values[0].shape, generator=torch.Generator().manual_seed(seed))
            self.learned = nn.ParameterList([nn.Parameter(each) for each in values])
        else:
            for number, each in enumerate(values):
                self.register_buffer(f"fixed_{number}", each, persistent=False)  # the settings say them

    def used(self) -> Tensor:
        """The masks in use, (K, D), at least 0."""
        depth = int(self.depth)
        return self.learned[depth].relu() if self.kind == "learn" else self.get_buffer(f"fixed_{depth}")

    def deepen(self) -> None:
        """Those of the next depth come into use; learned ones begin as their parents: 2 c and 2 c + 1 as c."""
        self.depth += 1
        if self.kind == "learn":
            depth = int(self.depth)
            with torch.no_grad():
                self.learned[depth].copy_(self.learned[depth - 1].repeat_interleave(2, dim=0))


class SubspaceView(nn.Module):
    """How the objective sees a batch of a cluster: the embedding through the mask of its subspace (equation 4)."""

    def __init__(self, masks: Masks) -> None:
        super().__init__()
        self._masks = (masks,)  # the method's, which saves and trains them

    def forward(self, embedding: Embedding, *, subset: int) -> Embedding:
        """The embedding of the batch of a subset; while the whole is fine-tuned, as the head conquers it."""
        (masks,) = self._masks
        if masks.conquering:
            return embedding
        raw = _unmasked(embedding)
        # Masks that are all ones leave the head's answer as it is, to the bit.
        if masks.kind == "none" or (masks.kind == "fix" and not masks.depth and len(masks.used()) == 1):
            return raw
        return through(raw, masks.used()[subset])


class Orthogonality(Term):
    """Subspaces shall differ: the mean cosine of two masks (equation 5), from 0 for masks that share nothing to 1 for equal ones."""

    def __init__(self, masks: Masks, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self._masks = (masks,)

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`; 0 while the whole is fine-tuned."""
        (masks,) = self._masks
        return embedding.whole.new_zeros(()) if masks.conquering else mean_cosine(masks.used())


def mean_cosine(masks: Tensor) -> Tensor:
    """The mean cosine of two different ones of the masks (K, D), which are at least 0; 0 for a single one."""
    count = len(masks)
    if count == 1:
        return 0.0 * masks.sum()
    unit = functional.normalize(masks, dim=1, eps=1e-8)
    return (unit.sum(0).square().sum() - unit.square().sum()) / (count * (count - 1))


def fixed_masks(count: int, groups: int, width: int) -> Tensor:
    """Contiguous parts of every group, as even as whole numbers allow: (count, groups * width) of 0 and 1, each number in one mask."""
    part_of = torch.arange(width) * count // width
    one = (part_of == torch.arange(count)[:, None]).float()  # (K, d)
    return one.repeat(1, groups)


def _unmasked(embedding: Embedding) -> Embedding:
    """What the head of a `SubspacesHead` gave."""
    whole = embedding.extras["unmasked"]
    if embedding.kind == "groups":
        parts = whole.unflatten(1, embedding.parts.shape[1:])
    else:
        parts = whole.unsqueeze(1) if embedding.kind == "single" else embedding.parts
    return Embedding(parts, whole, embedding.extras, embedding.kind)
