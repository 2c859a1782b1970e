"""What a head answers for a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional


@dataclass
class Embedding:
    """The embeddings of N pictures.

    Attributes:
        parts: (N, P, d), the sub-embeddings; a plain head has one part.
        whole: (N, D), what is searched and evaluated, before the final normalisation, because the contributions of
            places add up to exactly this vector.
        extras: whatever else a loss needs (attention, assignments, ...), by name.
    """

    parts: Tensor
    whole: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def single(cls, whole: Tensor) -> Embedding:
        """The embedding of a head with one part: (N, D) -> parts (N, 1, D) and whole (N, D)."""
        return cls(parts=whole.unsqueeze(1), whole=whole)

    @property
    def normalized(self) -> Tensor:
        """`whole` with rows of length 1, (N, D), float32 whatever the precision of the network was."""
        return functional.normalize(self.whole.float(), dim=1)
