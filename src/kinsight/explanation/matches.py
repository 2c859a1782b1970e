"""The few places of two pictures that answer each other most: what a person should see of a pair at a glance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from kinsight.explanation.centres import Centres
from kinsight.explanation.peaks import Place, peak_at

FAINTEST = 0.25  # of the strongest match: what says less beside it is left out
APART = 2 / 7  # of a map's side: nearer ones would say the same of one part
ALIGNED = np.einsum(
    "ix,jy->ijxy", np.eye(3), np.eye(3)
)  # of two 3 x 3 neighbourhoods each place with the one that lies alike


class Match(NamedTuple):
    """A place of the query and the place of the other picture that answers it.

    Attributes:
        query, other: (y, x) there, in pixels of the picture as the network saw it, between places.
        value: what the two places say to each other: a part of the similarity, in its units.
        query_place, other_place: (row, column) of the two places.
    """

    query: tuple[float, float]
    other: tuple[float, float]
    value: float
    query_place: Place
    other_place: Place


def strongest_matches(tensor: np.ndarray, query: Centres, other: Centres, count: int) -> list[Match]:
    """The matches that speak most for the similarity, the strongest first, by greedy non-maximum suppression on both sides.

    A match is as strong as the geometric mean of its own value and of the sum over the neighbours that lie alike in both pictures: single
    places may agree by accident, parts of things agree with what lies around them. Of matches that lie near each other in either picture
    the strongest is kept.

    Args:
        tensor: (h, w, h', w'), what every place of the query and every place of the other picture say to each other.
        query, other: where the places stand.
        count: how many at most.
    """
    around = ndimage.convolve(tensor, ALIGNED, mode="constant")
    strength = np.sqrt(np.maximum(tensor, 0) * np.maximum(around, 0))
    least = FAINTEST * strength.max(initial=0)
    h, w, k, m = tensor.shape
    found: list[Match] = []
    while len(found) < count and strength.max(initial=0) > least:
        i, j, x, y = (int(at) for at in np.unravel_index(strength.argmax(), strength.shape))
        here, there = peak_at(tensor[:, :, x, y], (i, j), query), peak_at(tensor[i, j], (x, y), other)
        found.append(Match((here.y, here.x), (there.y, there.x), float(tensor[i, j, x, y]), (i, j), (x, y)))
        strength[_near(i, h), _near(j, w)] = 0
        strength[:, :, _near(x, k), _near(y, m)] = 0
    return found


def _near(place: int, places: int) -> slice:
    apart = max(round(APART * places), 2)
    return slice(max(place - apart + 1, 0), place + apart)
