"""The classes whose pictures find other classes first, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinsight.runs.ranking import Ranking

SHOWN = 8


@dataclass(frozen=True)
class FailingClass:
    """A class some of whose queries have a first neighbour of another class.

    Attributes:
        title: its name.
        queries, wrong: how many search, and how many of them find another class first.
        taken_for: those classes with how often, the most frequent first.
    """

    title: str
    queries: int
    wrong: int
    taken_for: list[tuple[str, int]]

    @property
    def right(self) -> float:
        """The share of its queries whose first neighbour is of the class: P@1 within it."""
        return 1 - self.wrong / self.queries


@dataclass(frozen=True)
class FailingClasses:
    """The classes with mistakes, the worst first, among all classes that search; `lost`: more than half of whose queries fail.

    Attributes:
        alone: whether of every class a single picture searches, as of pairs of views: classes are no more than pictures then.
    """

    found: list[FailingClass]
    classes: int
    alone: bool = False

    @property
    def lost(self) -> int:
        return sum(one.right < 0.5 for one in self.found)

    @property
    def sentence(self) -> str:
        """How many classes fail."""
        if not self.found:
            return "Every query finds its own class first."
        if self.alone:
            return f"{self.lost:,} of {self.classes:,} queries do not find their own first."
        return (
            f"{self.lost:,} of {self.classes:,} classes find another class first more often than their own."
            if self.lost
            else f"No class finds another class first more often than its own; {len(self.found):,} of {self.classes:,} do sometimes."
        )


def failing_classes(ranking: Ranking) -> FailingClasses:
    """The classes of an evaluation whose queries have wrong first neighbours; of equals those with more mistakes first."""
    usable = np.flatnonzero(np.isfinite(ranking.average_precision))
    if not len(usable) or not ranking.neighbours.shape[1]:
        return FailingClasses([], 0)
    asked = ranking.titles[ranking.query_rows[usable]].astype(str)
    first = ranking.neighbours[usable, 0]
    wrong = (ranking.precision_at_1[usable] == 0) & (first >= 0)
    titles, counts = np.unique(asked, return_counts=True)
    mistaken: dict[str, Counter[str]] = {}
    for title, other in zip(asked[wrong].tolist(), ranking.titles[first[wrong]].astype(str).tolist(), strict=True):
        mistaken.setdefault(title, Counter())[other] += 1
    found = [
        FailingClass(title, count, mistaken[title].total(), mistaken[title].most_common(3))
        for title, count in zip(titles.tolist(), counts.tolist(), strict=True)
        if title in mistaken
    ]
    worst_first = sorted(found, key=lambda one: (one.right, -one.wrong, one.title))
    return FailingClasses(worst_first, len(titles), alone=len(titles) == len(asked))


def failing_text(failing: FailingClasses, shown: int = 3) -> str:
    """The worst of them in a few lines for a terminal."""
    if not failing.classes:
        return ""
    if failing.alone:
        return failing.sentence
    lines = [
        f"  {one.title}: {one.wrong} of {one.queries} wrong, taken for {named(one.taken_for[:2])}"
        for one in failing.found
    ]
    more = [f"  ... and {len(lines) - shown} more"] if len(lines) > shown else []
    return "\n".join([failing.sentence, *lines[:shown], *more])


def named(taken_for: Sequence[tuple[str, int]]) -> str:
    """`Siamese (3), Birman (1)`."""
    return ", ".join(f"{title} ({count})" for title, count in taken_for)
