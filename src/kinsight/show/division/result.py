"""What is known of the division of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinsight.evaluation.subspaces import SpaceState
from kinsight.show.table import aligned

IN_ITS_SUBSPACE = " in its subspace"


@dataclass(frozen=True)
class Cluster:
    """A cluster: its number, how many pictures and classes it has, and the paths of those nearest to its middle."""

    number: int
    pictures: int
    classes: int
    examples: list[str]


@dataclass(frozen=True)
class Found:
    """A picture that searches, and by the name of a space the first that it finds there: path, and whether it is of its class."""

    query: str
    label: str
    by: dict[str, list[tuple[str, bool]]]


@dataclass(frozen=True)
class Modes:
    """A training class that is spread over several clusters: some pictures of each."""

    label: str
    clusters: dict[int, list[str]]


@dataclass(frozen=True)
class DivisionResult:
    """The division of a run.

    Attributes:
        run: its name.
        split: the unseen pictures that were measured.
        tree: the clusters of each depth as they were when it began; the last ones as they are.
        divisions: what was logged of each division.
        masks: (K, D).
        overlap: (K, K), cosines of the masks.
        spaces: by name: both halves in the whole embedding, each cluster in the whole and in its subspace.
        found: what pictures find in the whole embedding and in each subspace.
        modes: classes in several clusters.
        maps: by the name of the half and the layout (t-SNE, UMAP): the places (M, 2) in the plane, clusters (M,) and paths of pictures of
            the half.
    """

    run: str
    split: str
    tree: list[list[Cluster]]
    divisions: list[dict[str, Any]]
    masks: np.ndarray
    overlap: np.ndarray
    spaces: dict[str, SpaceState]
    found: list[Found]
    modes: list[Modes]
    maps: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, list[str]]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "run": self.run,
            "split": self.split,
            "clusters": [[[each.number, each.pictures, each.classes] for each in depth] for depth in self.tree],
            "divisions": self.divisions,
            "mask_overlap": np.round(self.overlap, 4).tolist(),
            "dimensions_of_masks": (self.masks > 0).sum(1).tolist(),
            "spaces": {name: vars(state) for name, state in self.spaces.items()},
        }

    def __str__(self) -> str:
        return aligned([["", *TITLES], *([name, *cells(state)] for name, state in self.spaces.items())])


TITLES = ("pictures", "ED 90 %", "ED 95 %", "ED 99 %", "within classes", "between", "nearest 10", "positive / negative")


def cells(state: SpaceState) -> Sequence[str]:
    """The numbers of a space as text, in the order of `TITLES`."""
    numbers = (state.intra, state.inter, state.nearest, state.positive_over_negative)
    return [
        f"{state.pictures:,}",
        *map(str, state.effective_dimensions),
        *("–" if np.isnan(number) else f"{number:.3f}" for number in numbers),
    ]
