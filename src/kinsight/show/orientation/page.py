"""The page of headings: what the errors say, circular histograms of them, and examples with the rays of the answer and of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from kinsight.explanation.measuring.orientation import lying
from kinsight.explanation.measuring.orientation_result import BIN, Orientation
from kinsight.explanation.orientation.estimates import OVERALL, POINT, VOTES
from kinsight.pictures.directions import direction, panorama_angle
from kinsight.show.maps.plates import Marks, Plate, evenly
from kinsight.show.orientation.rose import rose
from kinsight.show.orientation.table import confidence_rows, difference_rows, way_rows
from kinsight.show.orientation.verdict import orientation_verdict
from kinsight.show.page import environment
from kinsight.show.thumbnails import opened_or_blank

COUNT = 6  # of examples of each kind
LEGEND = {
    "seen": "the column of the panorama that decided",
    "true": "where it truly looks",
    "hit": "the answer, right",
    "miss": "the answer, wrong",
}


@dataclass(frozen=True)
class Example:
    """A panorama, its aerial picture as the network saw it, and what is said of them."""

    title: str
    note: str
    street: Plate
    aerial: Plate
    right: bool | None


@dataclass(frozen=True)
class Examples:
    """Examples of one kind."""

    title: str
    about: str
    shown: Sequence[Example]


@dataclass(frozen=True)
class Rose:
    """The errors of one way as a circular histogram."""

    title: str
    about: str
    svg: Markup


def orientation_html(
    found: Orientation,
    names: Sequence[str],
    street: Sequence[str | Path],
    aerial: Sequence[str | Path],
    *,
    record: dict[str, str],
) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        names: of the N pairs.
        street, aerial: the files of their pictures.
        record: what was measured, fact by fact.
    """
    page = _Page(found, names, street, aerial)
    known = found.true is not None
    return (
        environment()
        .get_template("orientation.html")
        .render(
            verdict=orientation_verdict(found),
            tables=[rows(found) for rows in (way_rows, difference_rows, confidence_rows)] if known else [],
            roses=_roses(found) if known else [],
            bin=BIN,
            groups=page.groups() if known else page.answers(),
            legend=LEGEND if known else {"seen": LEGEND["seen"], "found": "where it looks by the answer"},
            known=known,
            record=record,
        )
    )


def _roses(found: Orientation) -> list[Rose]:
    drawn = {way: found.histogram(way) for way in (VOTES, POINT, OVERALL)}
    most = max(float(shares.max()) for _, shares in drawn.values())
    return [
        Rose(
            way,
            f"{found.rate(way).text()} % within {found.within:g}°",
            rose(middles, shares, most, f"errors of {way}: {100 * shares[0]:.1f} % within {BIN / 2:g} degrees"),
        )
        for way, (middles, shares) in drawn.items()
    ]


@dataclass(frozen=True)
class _Page:
    found: Orientation
    names: Sequence[str]
    street: Sequence[str | Path]
    aerial: Sequence[str | Path]

    def groups(self) -> list[Examples]:
        """Sure ones, unsure ones, and those that were sure and wrong."""
        sureness = self._sureness()
        order = np.argsort(-sureness, kind="stable")
        right = self.found.right(VOTES).astype(bool)
        half = len(order) // 2
        sure, unsure = order[: len(order) - half], order[len(order) - half :][::-1]
        wrong = sure[~right[sure]]
        groups = [
            Examples(
                "Sure of itself",
                f"Evenly from the surest of {len(order)} pairs to the middle one, so they are as good as that half is.",
                self._examples(evenly(sure, COUNT)),
            ),
            Examples("Where confidence is low", "The least sure ones.", self._examples(unsure[:COUNT])),
        ]
        if len(wrong):
            groups.append(Examples("Sure and wrong", "The surest that are wrong.", self._examples(wrong[:COUNT])))
        return [group for group in groups if group.shown]

    def answers(self) -> list[Examples]:
        """All, or evenly from the surest to the least sure, where nobody knows what is true."""
        order = evenly(np.argsort(-self._sureness(), kind="stable"), 2 * COUNT)
        return [
            Examples(
                f"{len(order)} of {len(self.found)} pairs", "From the surest to the least sure.", self._examples(order)
            )
        ]

    def _sureness(self) -> np.ndarray:
        unknown = np.isnan(self.found.probability).any()
        return self.found.readings.lead if unknown else self.found.probability

    def _examples(self, rows: np.ndarray) -> list[Example]:
        return [self._example(int(row)) for row in rows]

    def _example(self, row: int) -> Example:
        found = self.found
        readings, known = found.readings, found.true is not None
        answer, turn = float(readings.found[VOTES][row]), float(readings.turns[row])
        right = bool(found.right(VOTES)[row]) if known else None
        kind = "found" if right is None else "hit" if right else "miss"
        panorama = opened_or_blank(str(self.street[row]))
        above = lying(opened_or_blank(str(self.aerial[row])), turn, cut=bool(readings.turns.any()))
        at = readings.street[row] / panorama.size
        seen = float(panorama_angle(at[0], 1))
        column = Marks(panorama).line(np.array([at[0], 0]), np.array([at[0], 1]), "seen")
        column.ring(at, 0.07, "seen")
        rays = Marks(above)
        if found.true is not None:
            _ray(rays, above, float(found.true[row]) + turn + seen, "true")
        _ray(rays, above, answer + turn + seen, kind)
        rays.ring(readings.aerial[row] / above.size, 0.035, kind)
        said = f"answer {answer:.1f}°"
        if found.true is not None:
            said += f", true {found.true[row]:.1f}°, error {found.errors(VOTES)[row]:+.1f}°"
        sure = "" if np.isnan(found.probability[row]) else f"probability {100 * found.probability[row]:.0f} %; "
        note = f"{sure}lead {readings.lead[row]:.2f}, similarity {readings.similarity[row]:.3f}"
        lies = f"the aerial picture, turned by {turn:.0f}°" if turn else "the aerial picture"
        return Example(
            f"{self.names[row]}: {said}", note, Plate(panorama, "the panorama", column), Plate(above, lies, rays), right
        )


def _ray(marks: Marks, picture: Image.Image, angle: float, kind: str) -> None:
    x, y = direction(angle)
    reach = min(picture.size) / 2
    end = np.array([0.5 + x * reach / picture.width, 0.5 + y * reach / picture.height])
    marks.line(np.array([0.5, 0.5]), end, kind)
