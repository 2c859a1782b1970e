"""What was found of the groups of a run: retrieval by each alone, likeness, parts; for the page, the table and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinsight.evaluation import Estimate
from kinsight.explanation.measuring.groups import Groups, PartConfusion
from kinsight.explanation.measuring.moved_groups import MovedGroups


@dataclass(frozen=True, eq=False)
class GroupsResult:
    """The groups of a run on N pictures of a split.

    Attributes:
        run: its name.
        head: the name of the head.
        split: test, train, ...
        groups: where they look and what they give.
        ids, labels: of the pictures, (N,).
        whole: what the groups find together, as `evaluate` gives it.
        alone: what each finds alone, P of them.
        parts: which parts the groups fall on, or why that is not known.
        reach_of: what its reach is a share of, in words; of no meaning where part masks were used.
        shown: rows of the pictures that are shown with the maps of all groups.
        top: how many pictures of each group are shown.
        protocol: everything that moves a number.
        moved: the groups on the shown pictures moved about, where that was looked at.
    """

    run: str
    head: str
    split: str
    groups: Groups
    ids: Sequence[str]
    labels: np.ndarray
    whole: dict[str, float]
    alone: Sequence[dict[str, float]]
    parts: PartConfusion | str
    reach_of: str
    shown: Sequence[int]
    top: int
    protocol: dict[str, Any]
    moved: MovedGroups | None = None

    def favourite(self, group: int) -> tuple[str, float] | None:
        """The part that a group falls on most and its share of the pictures, elsewhere included, where parts are known."""
        if isinstance(self.parts, str):
            return None
        best = int(self.parts.shares[group].argmax())
        return self.parts.parts[best], float(self.parts.shares[group, best])

    def part_of(self, row: int, group: int) -> str:
        """The part that the peak of a group falls on in one picture; nothing where that is not known."""
        if isinstance(self.parts, str) or not self.parts.measured[row]:
            return ""
        return self.parts.parts[int(self.parts.fallen[row, group])]

    def mean_similarity(self, group: int) -> float:
        """The mean cosine of a group to the other groups of the same picture."""
        return _others(self.groups.similarity, group)

    def mean_overlap(self, group: int) -> float:
        """The mean share of what a group looks at that another group looks at too."""
        return _others(self.groups.overlap, group)

    def assigned(self) -> list[int]:
        """How many of the pictures a head that assigns them gives to each group; nothing of another head."""
        known = self.groups.assigned
        return [] if known is None else np.bincount(known, minlength=self.groups.count).tolist()

    def distinct(self) -> dict[int, Estimate]:
        """The share of pictures whose groups fall on at least 2, 3, ... different parts, where parts are known.

        Up to the number of groups or of parts, whichever is less: more is not possible.
        """
        if isinstance(self.parts, str):
            return {}
        most = min(self.groups.count, len(self.parts.parts) - 1)  # elsewhere is no part
        return {count: self.parts.at_least(count) for count in range(2, most + 1)}

    @property
    def measured(self) -> str:
        """Of which pictures the parts were measured, in words: `864 pictures`, `27 of 36 pictures`."""
        count = len(self.ids)
        known = 0 if isinstance(self.parts, str) else int(self.parts.measured.sum())
        return f"{count:,} pictures" if known == count else f"{known:,} of {count:,} pictures"

    @property
    def drawn_from(self) -> str:
        """What the pictures were drawn from, in words; nothing where all of the split were looked at."""
        whole = int(self.protocol.get("drawn_from", 0))
        return f"drawn from {whole:,} by the seed {self.protocol['seed']}" if whole > len(self.ids) else ""

    @property
    def alone_in_class(self) -> str:
        """That some pictures have nothing to find and do not search, in words; nothing where all do."""
        skipped = int(self.whole.get("skipped_queries", 0))
        return f"{skipped:,} of them do not search, since no other picture of their class is there" if skipped else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        groups, dim = self.groups, self.groups.vectors.shape[2]
        return {
            "run": self.run,
            "head": self.head,
            "groups": groups.count,
            "dimensions_of_a_group": dim,
            "dimensions": groups.count * dim,
            "maps": groups.kind,
            "split": self.split,
            "pictures": len(self.ids),
            "whole": self.whole,
            "alone": [self._alone(number) for number in range(groups.count)],
            "similarity": groups.similarity.tolist(),
            "overlap": groups.overlap.tolist(),
            **({} if groups.relations is None else {"relations": groups.relations.mean(0).tolist()}),
            **({} if groups.assigned is None else {"assigned": self.assigned()}),
            "parts": self._parts(),
            "shown": [self.ids[row] for row in self.shown],
            "protocol": self.protocol,
        }

    def _alone(self, number: int) -> dict[str, Any]:
        favourite = self.favourite(number)
        strongest = [
            {
                "id": self.ids[row],
                "label": str(self.labels[row]),
                "peak": float(self.groups.looks[row, number].max()),
                "peak_at": self.groups.peaks[row, number].tolist(),
                **({"part": part} if (part := self.part_of(row, number)) else {}),
            }
            for row in self.groups.strongest(number, self.top).tolist()
        ]
        return {
            "group": number,
            "metrics": self.alone[number],
            "mean_similarity_to_others": self.mean_similarity(number),
            "mean_overlap_with_others": self.mean_overlap(number),
            **({} if favourite is None else {"most_frequent_part": favourite[0], "its_share": favourite[1]}),
            **({} if self.moved is None else {"moved": self._moved(number)}),
            "strongest": strongest,
        }

    def _moved(self, number: int) -> dict[str, list[int]]:
        assert self.moved is not None
        return {"followed_of": [*self.moved.followed(number)], "stayed_of": [*self.moved.stayed(number)]}

    def _parts(self) -> dict[str, Any]:
        if isinstance(self.parts, str):
            return {"missing": self.parts}
        at_least = {str(count): share.to_dict() for count, share in self.distinct().items()}
        return {
            "names": self.parts.parts,
            "pictures": int(self.parts.measured.sum()),
            "shares": self.parts.shares.tolist(),
            **(
                {"by": "masks"}
                if self.parts.reach is None
                else {"by": "points", "reach": self.parts.reach, "reach_of": f"the longer side of {self.reach_of}"}
            ),
            "at_least_so_many_different": at_least,
        }


def _others(values: np.ndarray, group: int) -> float:
    return float(np.delete(values[group], group).mean())
