"""Headings estimated from one pair of pictures, each way by name.

    overall         the peaks of both overall maps: what each picture's places say to the whole other picture
    point           the peak of the panorama's overall map, and the peak of that point's own map on the aerial picture (Visual
                    Explanation, section 5.3)
    strongest pair  the two places that say most to each other
    votes           all pairs of places at once (`kinsight.explanation.orientation.votes`)

`overall, clipped` and `point, clipped` sum positive terms alone into the overall maps, as the paper's authors do in their code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinsight.explanation.orientation.bearings import Aerial, Panorama
from kinsight.explanation.orientation.votes import histogram
from kinsight.pictures.directions import heading

OVERALL, POINT, VOTES = "overall", "point", "votes"
STRONGEST = "strongest pair"
OVERALL_CLIPPED, POINT_CLIPPED = "overall, clipped", "point, clipped"
Estimator = Callable[[np.ndarray, Panorama, Aerial], float]


def overall(tensor: np.ndarray, street: Panorama, aerial: Aerial, *, clipped: bool = False) -> float:
    """The heading at which the peaks of both overall maps are the same thing.

    Args:
        tensor: (h, w, h', w'), what every place of the panorama and every place of the aerial picture say to each other.
        street, aerial: where the places look.
        clipped: sum positive terms alone.
    """
    terms = np.maximum(tensor, 0) if clipped else tensor
    _, column = street.peak(terms.sum((2, 3)))
    return float(heading(aerial.peak_angle(terms.sum((0, 1))), street.angle_of(column)))


def point(tensor: np.ndarray, street: Panorama, aerial: Aerial, *, clipped: bool = False) -> float:
    """The heading at which the peak of the panorama's overall map and the peak of its own map on the aerial picture are the same thing.

    Args:
        As for `overall`.
    """
    terms = np.maximum(tensor, 0) if clipped else tensor
    row, column = street.peak(terms.sum((2, 3)))
    answers = np.tensordot(street.weights(row, column), tensor, 2)  # (h', w')
    return float(heading(aerial.peak_angle(answers), street.angle_of(column)))


def strongest(tensor: np.ndarray, street: Panorama, aerial: Aerial) -> float:
    """The heading at which the two places that say most to each other are the same thing.

    Args:
        As for `overall`.
    """
    row, column = street.peak(tensor.max((2, 3)))
    answers = np.tensordot(street.weights(row, column), tensor, 2)  # (h', w')
    return float(heading(aerial.peak_angle(answers), street.angle_of(column)))


def votes(tensor: np.ndarray, street: Panorama, aerial: Aerial) -> float:
    """The heading that all pairs of places together vote for, in the usual way."""
    return histogram(tensor, street, aerial).peak


ESTIMATORS: dict[str, Estimator] = {
    OVERALL: overall,
    OVERALL_CLIPPED: lambda *seen: overall(*seen, clipped=True),
    POINT: point,
    POINT_CLIPPED: lambda *seen: point(*seen, clipped=True),
    STRONGEST: strongest,
    VOTES: votes,
}
