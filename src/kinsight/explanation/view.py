"""One picture as a network saw it, and what each of its places contributes to its embedding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres


@dataclass(frozen=True, eq=False)
class View:
    """One picture as the network saw it, and what its places contribute to its embedding.

    Attributes:
        places: (h, w, D).
        bias: (D,), what no place contributes.
        whole: (D,), the embedding before normalisation, from the model itself.
        size: height and width of the network's input in pixels.
        affinity_error: how far the head with frozen gates is from affine, as a share of the embedding.
        picture: (H, W, 3) uint8, the network's input for display, where known.
        name: where the picture comes from.
        window: left, top, right, bottom of what the network saw, in pixels of the upright picture, where known.
        centres: where the places stand in the picture; None puts each in the middle of its cell.
        groups: P, of an embedding that is P sub-embeddings one after the other.
        attention: (P, h, w), where each group looks, if the head says so; it adds up to 1 over the places.
        activations: (h, w, C), the feature map itself, where it was asked for.
        stage: how many stages below the model's last map the places stand.
        label: its class as a person calls it, where known.
        subspaces: (K, D), what the numbers are multiplied with to see each subspace of the embedding, where it has some.
        relations: (P, P), how much each group tells each other one, the source first, if the head says so; each column adds up to 1, or
            is 0.
        unit_groups: whether the sub-embeddings have length 1 each, a gate.
        upright: height and width of the whole upright picture, where known.
    """

    places: np.ndarray
    bias: np.ndarray
    whole: np.ndarray
    size: tuple[int, int]
    affinity_error: float = 0.0
    picture: np.ndarray | None = field(default=None, repr=False)
    name: str = ""
    window: tuple[float, float, float, float] | None = None
    centres: Centres | None = None
    groups: int = 1
    attention: np.ndarray | None = field(default=None, repr=False)
    activations: np.ndarray | None = field(default=None, repr=False)
    stage: int = 0
    label: str = ""
    subspaces: np.ndarray | None = field(default=None, repr=False)
    relations: np.ndarray | None = field(default=None, repr=False)
    unit_groups: bool = True
    upright: tuple[int, int] | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width in places."""
        return self.places.shape[0], self.places.shape[1]

    @property
    def drawn_at(self) -> Centres:
        """Where the places are drawn."""
        return self.centres or Centres.even(self.size, self.grid)

    def group(self, number: int) -> View:
        """The same picture as one group embeds it.

        Raises:
            KinsightError: there is no such group.
        """
        if not 0 <= number < self.groups:
            raise KinsightError(f"group {number} does not exist; this embedding has the groups 0 to {self.groups - 1}")
        length = len(self.whole) // self.groups
        mine = slice(number * length, (number + 1) * length)
        attention = None if self.attention is None else self.attention[number : number + 1]
        return replace(
            self,
            places=self.places[..., mine],
            bias=self.bias[mine],
            whole=self.whole[mine],
            groups=1,
            attention=attention,
            relations=None,
            subspaces=None if self.subspaces is None else self.subspaces[:, mine],
        )

    def subspace(self, number: int) -> View:
        """The same picture as one subspace embeds it: a linear step behind the head; groups of length 1 get it again, each a gate.

        Raises:
            KinsightError: there is no such subspace.
        """
        count = 0 if self.subspaces is None else len(self.subspaces)
        if self.subspaces is None or not 0 <= number < count:
            has = f"has the subspaces 0 to {count - 1}" if count else "has no subspaces"
            raise KinsightError(f"subspace {number} does not exist; this embedding {has}")
        weights = self.subspaces[number]
        if self.groups > 1 and self.unit_groups:
            lengths = np.linalg.norm((self.whole * weights).reshape(self.groups, -1), axis=1)
            weights = weights / np.repeat(np.maximum(lengths, 1e-12), len(weights) // self.groups)
        parts = {"places": self.places * weights, "bias": self.bias * weights, "whole": self.whole * weights}
        return replace(self, **parts, subspaces=None)

    def share_of(self, mask: np.ndarray) -> np.ndarray:
        """How much of each place belongs to a mask of places (h, w) or of pixels (H, W), (h, w).

        Raises:
            KinsightError: the mask has neither size.
        """
        given = np.asarray(mask, np.float64)
        if given.shape == self.grid:
            return given
        if given.shape != self.size:
            raise KinsightError(
                f"the mask has the shape {given.shape}; give one of {self.grid} (places) or of {self.size} (pixels as the "
                "network sees them)"
            )
        return self.drawn_at.means(given)
