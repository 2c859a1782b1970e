"""What a search finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kinsight.explanation import View
from kinsight.explanation.regions import Region
from kinsight.retrieval.entries import Cell, PictureBox

AnswerBox = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Hit:
    """A picture that was found.

    Attributes:
        id, path: of the picture.
        score: the cosine of the query and its embedding, or with its best place where places are compared or hits ordered anew by them.
        columns: what else the index knows of it.
        box: the part of the picture that was indexed, where it was cut to one.
        answer: the box round the place that answers most: left, top, right, bottom in pixels of the upright picture; None where no place
            speaks for the hit, or none was looked for.
        answers: (h, w), what each of its places answers; they add up to its score, or are the cosines of places where these are compared.
        view: the picture as the network saw it, where answers were looked for.
        problem: why its answer is not known, or that its file has changed since it was indexed; empty where all is well.
    """

    id: str
    path: str
    score: float
    columns: Mapping[str, Cell] = field(default_factory=dict)
    box: PictureBox | None = None
    answer: AnswerBox | None = None
    answers: np.ndarray | None = field(default=None, repr=False)
    view: View | None = field(default=None, repr=False)
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """The hits of one search, best first, and what was asked.

    Attributes:
        hits: best first.
        query: the picture that was asked with.
        regions: the parts of it that counted; none: all of it.
        vector: (D,), what was searched with.
        searched: how many pictures were compared.
        held: how many the index holds.
        where: the condition that they had to meet.
        index: the name of the index.
        by: what was compared: "picture", "places", or "answers": the first hits of "picture", ordered anew by their best places.
        exact: whether every picture was compared, or those that lists said may be near (approximate search).
    """

    hits: Sequence[Hit]
    query: View
    regions: Sequence[Region]
    vector: np.ndarray
    searched: int
    held: int
    where: str | None = None
    index: str = ""
    by: str = "picture"
    exact: bool = True

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, rank: int) -> Hit:
        return self.hits[rank]
