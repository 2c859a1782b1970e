"""What a head answers for a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor
from torch.nn import functional

Kind = Literal["single", "groups", "nodes", "subspaces"]
"""What the parts of an embedding are.

single: one part, the whole. groups: P vectors of length 1, and the whole is these one after the other. nodes: P vectors of
a graph, of which the head makes P others that are the whole, one after the other; it assigns each picture to one of them (extra
`assignment`). subspaces: P cuts of the whole, each for a subset of the data.
"""


@dataclass
class Embedding:
    """The embeddings of N pictures.

    Attributes:
        parts: (N, P, d), the sub-embeddings; a plain head has one part.
        whole: (N, D), what is searched and evaluated, before the final normalisation, because the contributions of
            places add up to exactly this vector.
        extras: whatever else a term of the objective needs (attention, assignment, ...), by name, a row a picture (N, ...).
        kind: what the parts are, the same as the head's.
    """

    parts: Tensor
    whole: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)
    kind: Kind = "single"

    @classmethod
    def single(cls, whole: Tensor, **extras: Tensor) -> Embedding:
        """The embedding of a head with one part: (N, D) -> parts (N, 1, D) and whole (N, D)."""
        return cls(whole.unsqueeze(1), whole, extras)

    @property
    def normalized(self) -> Tensor:
        """`whole` with rows of length 1, (N, D), float32 whatever the precision of the network was."""
        return functional.normalize(self.whole.float(), dim=1)
