"""What an atlas shows: where each picture lies, of which class it is, and how it came there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kinsight.pictures.decoding import Box
from kinsight.show.plane.colours import class_colours


@dataclass(frozen=True)
class Atlas:
    """N pictures in the plane.

    Attributes:
        source: of what: a run or a file of embeddings.
        ids: as the table or the file names the pictures, (N,).
        labels: their classes, as a person calls them, (N,).
        places: where they lie, (N, 2), both ways in one unit.
        paths: their files; empty text where there is none.
        boxes: what is cut out of each where the run cuts pictures to boxes; None of a picture: nothing.
        layout: t-SNE, UMAP or PCA.
        split: which pictures, for a person.
        drawn_from: how many pictures there are, of which N were drawn.
        classes_drawn_from: as `drawn_from`, of classes.
        not_finite: embeddings with NaN or infinity, which have no place and are left out.
        unreadable: pictures that could not be read and so have no embedding.
        seed: of what was drawn.
    """

    source: str
    ids: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    paths: list[str]
    boxes: list[Box | None] | None
    layout: str
    split: str
    drawn_from: int
    classes_drawn_from: int
    not_finite: int = 0
    unreadable: int = 0
    seed: int = 0

    @cached_property
    def classes(self) -> list[str]:
        """Their names, sorted."""
        return [str(name) for name in np.unique(self.labels)]

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each class, `#rrggbb`; of over 30 classes some share one."""
        return class_colours(self.labels, self.places)

    def words(self) -> str:
        """What is shown, in a sentence or two."""
        count, classes = len(self.ids), len(self.classes)
        if count == self.drawn_from:
            which = f"{_count(count, 'picture')} of {_count(classes, 'class', 'classes')}"
        else:
            which = (
                f"{count:,} of {_count(self.drawn_from, 'picture')}, from {classes:,} of "
                f"{_count(self.classes_drawn_from, 'class', 'classes')}"
            )
        left = [
            f"{_count(number, 'picture')} {'is' if number == 1 else 'are'} left out, {why}"
            for number, why in (
                (self.not_finite, "because the embedding is not finite"),
                (self.unreadable, "because the file cannot be read"),
            )
            if number
        ]
        return ". ".join([f"{which} ({self.layout})", *left])

    def colour_words(self) -> str:
        """How many colours there are, and what one stands for."""
        colours, classes = len(set(self.colours.values())), len(self.classes)
        if colours == classes:
            return "Each class has a colour of its own" if classes > 1 else ""
        most = -(-classes // colours)
        return (
            f"{colours} colours for {classes:,} classes: one stands for up to {most:,}, far from each other on the map"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "source": self.source,
            "layout": self.layout,
            "split": self.split,
            "seed": self.seed,
            "drawn_from": self.drawn_from,
            "not_finite": self.not_finite,
            "unreadable": self.unreadable,
            "ids": self.ids.tolist(),
            "labels": self.labels.tolist(),
            "places": self.places.tolist(),
        }


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
