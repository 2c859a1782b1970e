"""The similarity of two pictures, split exactly over their places (Visual Explanation, equation 3).

    S = (sum_ij,xy c_q,ij . c_r,xy  +  sum_ij c_q,ij . b_r  +  sum_xy c_r,xy . b_q  +  b_q . b_r) / |E_q| |E_r|

Every map here is in units of the similarity: it adds up to a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.matches import Match, strongest_matches
from kinsight.explanation.peaks import Peak, peak
from kinsight.explanation.view import View

if TYPE_CHECKING:
    from typing_extensions import Self

FEWEST = (7, 7)  # places down and across; a map of fewer is a blob
Side = Literal["query", "other"]
Sign = Literal["both", "positive", "negative"]


class Terms(NamedTuple):
    """The four terms of a similarity; they add up to it.

    Attributes:
        places: what places of both pictures say to each other.
        query_bias: what places of the query say to the bias of the other picture.
        other_bias: what places of the other picture say to the bias of the query.
        bias: what both biases say to each other, whatever the pictures show.
    """

    places: float
    query_bias: float
    other_bias: float
    bias: float


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Two views and everything that their similarity consists of.

    The sides are called "query" and "other". Positions are pixels (y, x) of the picture as the network saw it, pixel
    centres at whole numbers, and anything between them.

    Raises:
        KinsightError: the two embeddings differ in length, or one of them is zero.
    """

    query: View
    other: View

    def __repr__(self) -> str:
        (h, w), (k, m) = self.query.grid, self.other.grid
        names = f"names={self.query.name!r}, {self.other.name!r}"
        return f"Pair(similarity={self.similarity:.4f}, places={h}x{w} and {k}x{m}, {names})"

    def __post_init__(self) -> None:
        lengths = len(self.query.whole), len(self.other.whole)
        if lengths[0] != lengths[1]:
            raise KinsightError(
                f"the embeddings of this pair have {lengths[0]} and {lengths[1]} dimensions; give two streams of one space"
            )

    @cached_property
    def similarity(self) -> float:
        """The cosine of the two embeddings as the model gives them."""
        return float(self.query.whole.astype(np.float64) @ self.other.whole.astype(np.float64) / self._norms)

    @cached_property
    def terms(self) -> Terms:
        """The four terms."""
        q, r = _sum(self.query), _sum(self.other)
        b_q, b_r = (view.bias.astype(np.float64) for view in (self.query, self.other))
        return Terms(*(float(value / self._norms) for value in (q @ r, q @ b_r, r @ b_q, b_q @ b_r)))

    @property
    def same_class(self) -> bool | None:
        """Whether both pictures are of one class; None where the class of either is not known."""
        return self.query.label == self.other.label if self.query.label and self.other.label else None

    @property
    def stage(self) -> int:
        """How many stages below the model's last map the query's places stand: 1 by default where that map is smaller than 7 x 7."""
        return self.query.stage

    @property
    def coarse(self) -> bool:
        """Whether either map has fewer than 7 x 7 places, too few to show parts."""
        places = np.array([self.query.grid, self.other.grid])  # (2, 2)
        return bool((places < FEWEST).any())

    @property
    def completeness_error(self) -> float:
        """How far the four terms together are from the similarity."""
        return abs(sum(self.terms) - self.similarity)

    @property
    def affinity_error(self) -> float:
        """How far the frozen heads are from affine, the worse of both; above some 1e-3 a gate was not declared."""
        return max(self.query.affinity_error, self.other.affinity_error)

    @cached_property
    def tensor(self) -> np.ndarray:
        """(h, w, h', w'): what every place of the query and every place of the other picture say to each other."""
        return (_rows(self.query) @ _rows(self.other).T / self._norms).reshape(*self.query.grid, *self.other.grid)

    def overall(self, side: Side, *, bias: bool = False, sign: Sign = "both", clipped: bool = False) -> np.ndarray:
        """The overall map of one side, (h, w): what each of its places says to the whole other picture.

        Args:
            side: "query" or "other".
            bias: also what it says to the other's bias ("Decomposition+Bias"); the map then adds up to the similarity
                less what this side's own bias says.
            sign: only the positive or negative values of the map.
            clipped: as in the authors' published code: negative point-to-point terms are set to 0 before they are
                summed, so that the map adds up to nothing any more.
        """
        mine, yours = self._sides(side)
        if clipped:
            positive = np.maximum(self.tensor, 0)
            found = positive.sum((2, 3) if side == "query" else (0, 1))
            return _signed(found + (mine.places @ yours.bias / self._norms if bias else 0), sign)
        target = _sum(yours) + (yours.bias if bias else 0)
        return _signed(mine.places.astype(np.float64) @ target / self._norms, sign)

    def point(self, side: Side, y: float, x: float, *, sign: Sign = "both") -> np.ndarray:
        """What answers in the other picture to one point of this side: a map (h', w') of the other side.

        Args:
            side: where the point lies.
            y, x: its pixel; between places their maps are mixed bilinearly.
            sign: only the positive or negative values.

        Raises:
            KinsightError: the point lies outside of the picture.
        """
        mine, _ = self._sides(side)
        height, width = mine.size
        if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
            raise KinsightError(
                f"the point y={y}, x={x} lies outside of the picture, which the network sees as {height} x {width} "
                f"pixels; give 0 to {height - 1} and 0 to {width - 1}"
            )
        return self._answers(side, mine.drawn_at.weights(y, x), sign)

    def region(self, side: Side, mask: np.ndarray, *, sign: Sign = "both") -> np.ndarray:
        """What answers in the other picture to a region of this side: a map (h', w') of the other side.

        Args:
            side: where the region lies.
            mask: (h, w), how much of each place belongs to it, or (H, W) in pixels, of which every place takes
                the mean over those nearest to it.

        Raises:
            KinsightError: the mask has neither size.
        """
        mine, _ = self._sides(side)
        return self._answers(side, mine.share_of(mask), sign)

    def pixels(self, side: Side, values: np.ndarray) -> np.ndarray:
        """A map (h, w) of one side, drawn out to the pixels of its picture (H, W): bilinear between its places."""
        return self._sides(side)[0].drawn_at.upsample(values)

    def peak(self, side: Side, values: np.ndarray) -> Peak:
        """Where a map (h, w) of one side peaks, between its places (see `kinsight.explanation.peaks`)."""
        return peak(values, self._sides(side)[0].drawn_at)

    def matches(self, count: int = 5) -> list[Match]:
        """The place of the query and that of the other picture which answer each other most, the strongest first.

        Matches lie apart in both pictures, so that they are not all of one part; those that say next to nothing beside the strongest
        are left out, and a pair whose places only contradict each other has none.

        Args:
            count: how many at most.

        Raises:
            KinsightError: the count is no whole number above 0.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise KinsightError(f"count {count!r} is not a number of matches; write a whole number above 0")
        return strongest_matches(self.tensor, self.query.drawn_at, self.other.drawn_at, count)

    @cached_property
    def groups(self) -> tuple[Self, ...]:
        """The pair as each group sees it, with maps of its own in units of its own cosine.

        Where all groups' vectors have one length (as in the heads of attentive grouping) the similarity is the mean of
        theirs, and every map of the pair the mean of theirs; else their sum, weighed by `group_weights`. An embedding without groups is
        one group.

        Raises:
            KinsightError: the two embeddings do not have equally many groups.
        """
        if self.query.groups != self.other.groups:
            raise KinsightError(
                f"the embeddings of this pair have {self.query.groups} and {self.other.groups} groups; give two models with "
                "equally many"
            )
        numbers = range(self.query.groups)
        return tuple(type(self)(self.query.group(number), self.other.group(number)) for number in numbers)

    @cached_property
    def group_weights(self) -> np.ndarray:
        """What the cosine of each group counts in the similarity, (P,): the product of its lengths in both, as a share of the embeddings'.

        Weighed so, the groups' similarities and maps add up to the pair's. All are 1 / P where groups have one length.
        """
        assert self.groups
        lengths = [
            np.linalg.norm(view.whole.astype(np.float64).reshape(view.groups, -1), axis=1)
            for view in (self.query, self.other)
        ]
        return lengths[0] * lengths[1] / self._norms

    @cached_property
    def group_shares(self) -> np.ndarray:
        """How much of the similarity each group carries, (P,); they add up to it."""
        return self.group_weights * [each.similarity for each in self.groups]

    @cached_property
    def subspaces(self) -> tuple[Self, ...]:
        """The pair as each subspace of a divided model sees it, with maps of its own in units of its own cosine.

        A subspace in which one of the pictures is nothing (its mask is all zero there) has no cosine: asking for it is refused.

        Raises:
            KinsightError: the embeddings have no subspaces, or not equally many.
        """
        counts = [0 if view.subspaces is None else len(view.subspaces) for view in (self.query, self.other)]
        if counts[0] != counts[1] or not counts[0]:
            raise KinsightError(
                f"the embeddings of this pair have {counts[0]} and {counts[1]} subspaces; give a model that was trained with the method "
                "division"
            )
        return tuple(type(self)(self.query.subspace(one), self.other.subspace(one)) for one in range(counts[0]))

    @cached_property
    def carried(self) -> np.ndarray:
        """How much of the similarity each subspace carries, (K,): the numbers' terms of the cosine, shared by their masks' weights.

        Where the embedding is weighed by the sum of the masks, or these share nothing, they add up to the similarity.
        """
        assert self.subspaces
        assert self.query.subspaces is not None
        weights = self.query.subspaces.astype(np.float64)  # (K, D)
        terms = self.query.whole.astype(np.float64) * self.other.whole.astype(np.float64) / self._norms  # (D,)
        return weights / np.maximum(weights.sum(0), 1e-12) @ terms

    def swapped(self) -> Self:
        """The same pair seen from the other side."""
        return type(self)(self.other, self.query)

    @cached_property
    def _norms(self) -> float:
        norms = [float(np.linalg.norm(view.whole.astype(np.float64))) for view in (self.query, self.other)]
        if not min(norms) > 0:
            raise KinsightError(
                "an embedding of this pair is zero or not a number, so that it has no direction; look whether the model "
                "has collapsed, or the picture is blank"
            )
        return norms[0] * norms[1]

    def _sides(self, side: Side) -> tuple[View, View]:
        if side == "query":
            return self.query, self.other
        if side == "other":
            return self.other, self.query
        raise KinsightError(f"{side!r} is no side of a pair; write query or other")

    def _answers(self, side: Side, weights: np.ndarray, sign: Sign) -> np.ndarray:
        mine, yours = self._sides(side)
        chosen = np.tensordot(weights, mine.places.astype(np.float64), 2)  # (D,)
        return _signed(yours.places.astype(np.float64) @ chosen / self._norms, sign)


def _rows(view: View) -> np.ndarray:
    return view.places.reshape(-1, view.places.shape[-1]).astype(np.float64)


def _sum(view: View) -> np.ndarray:
    return view.places.sum((0, 1), dtype=np.float64)


def _signed(values: np.ndarray, sign: Sign) -> np.ndarray:
    if sign == "both":
        return values
    if sign == "positive":
        return np.maximum(values, 0)
    if sign == "negative":
        return np.minimum(values, 0)
    raise KinsightError(f"sign {sign!r} is not known; write both, positive or negative")
