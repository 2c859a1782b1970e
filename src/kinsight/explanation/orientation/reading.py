"""What the point-to-point tensor of one pair says about the heading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.orientation.bearings import Aerial, Panorama
from kinsight.explanation.orientation.estimates import ESTIMATORS, VOTES
from kinsight.explanation.orientation.looks import Look
from kinsight.explanation.orientation.votes import Voting, deciding_places, histogram
from kinsight.explanation.pair import Pair
from kinsight.explanation.view import View

Point = tuple[float, float]


@dataclass(frozen=True)
class Reading:
    """Headings of one pair, and why.

    Attributes:
        headings: the estimate of each way by its name, degrees in [0, 360).
        height, lead: how far the peak of the votes stands above their mean, and above the next peak, in standard deviations.
        street, aerial: x, y of the two places whose vote counted most, in pixels of the upright pictures.
    """

    headings: Mapping[str, float]
    height: float
    lead: float
    street: Point
    aerial: Point


def read(pair: Pair, voting: Voting | None = None, further: Iterable[tuple[Look, Pair]] = ()) -> Reading:
    """Estimate the heading of a pair, a panorama and an aerial picture, each way.

    Args:
        pair: the panorama asks.
        voting: how places vote; the usual way if None.
        further: other looks at the same pictures, whose votes count as well; all other ways read the pair alone.

    Raises:
        KinsightError: the network does not see the panorama all around.
    """
    panorama, aerial = panorama_of(pair.query), aerial_of(pair.other)
    tensor = pair.tensor
    votes = histogram(tensor, panorama, aerial, voting)
    for look, again in further:
        cast_there = histogram(again.tensor, panorama_of(again.query), aerial_of(again.other), voting)
        votes = votes + cast_there.before(look)
    others = {name: estimate(tensor, panorama, aerial) for name, estimate in ESTIMATORS.items() if name != VOTES}
    here, there = deciding_places(tensor, panorama, aerial, votes.peak, voting)
    return Reading(
        {**others, VOTES: votes.peak},
        votes.height,
        votes.lead,
        _in_picture(pair.query, *here),
        _in_picture(pair.other, *there),
    )


def panorama_of(view: View) -> Panorama:
    """Where the places of a panorama look.

    Raises:
        KinsightError: the network does not see it all around.
    """
    if view.window is not None and view.window[0] > 0:
        raise KinsightError(
            f"the network sees {view.name or 'a panorama'} only from pixel {view.window[0]:.0f} to {view.window[2]:.0f} and not all "
            "around, so that its columns are no directions; train its stream with resize null, which squashes whole pictures"
        )
    return Panorama(view.drawn_at)


def aerial_of(view: View) -> Aerial:
    """Where the places of an aerial picture stand about its middle."""
    if view.window is None:
        return Aerial(view.drawn_at)
    left, top, right, bottom = view.window
    return Aerial(view.drawn_at, ((right - left) / view.size[1], (bottom - top) / view.size[0]))


def _in_picture(view: View, row: int, column: int) -> Point:
    y, x = view.drawn_at.centre(row, column)
    left, top, right, bottom = view.window or (0.0, 0.0, float(view.size[1]), float(view.size[0]))
    shares = (np.array([x, y]) + 0.5) / [view.size[1], view.size[0]]
    across, down = (shares * [right - left, bottom - top] + [left, top]).tolist()
    return across, down
