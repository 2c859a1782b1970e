"""What the errors of headings mean, in a few sentences."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation.estimate import Estimate
from kinsight.explanation.measuring.orientation_result import CHANCE, Orientation
from kinsight.explanation.orientation.estimates import OVERALL, POINT, VOTES


def orientation_verdict(found: Orientation) -> str:
    """Whether maps tell the heading, which way tells it best, and whether confidence is worth something."""
    if found.true is None:
        return f"Headings of {len(found)} pairs, none of which is known: these are answers, and nothing says how many of them are right."
    votes, point, overall = (found.rate(way) for way in (VOTES, POINT, OVERALL))
    numbers = (
        f"All pairs of places voting find the heading of {_percent(votes)} of {len(found)} panoramas within {found.within:g} degrees, the "
        f"peak of the point map that of {_percent(point)}, the peaks of the overall maps that of {_percent(overall)}; chance is "
        f"{100 * found.rate(CHANCE).value:.1f} %"
    )
    return f"{numbers}: {_order(found)}. {_median(found)} {_confidence(found)}".strip()


def _order(found: Orientation) -> str:
    chance = found.rate(CHANCE).value
    rate = found.rate(VOTES)
    if (rate.ends[0] if rate.ends else rate.value) <= chance:
        return "nothing shows that these maps know which way the camera looked"
    says = {1: "are better than", 0: "are not clearly better than", -1: "are worse than"}
    first, second = (_sign(found.difference(*pair)) for pair in ((VOTES, POINT), (POINT, OVERALL)))
    third = {1: "that is better than", 0: "that is not clearly better than", -1: "that is worse than"}[second]
    return f"votes {says[first]} the point map, and {third} the overall maps"


def _median(found: Orientation) -> str:
    median, half = found.median(VOTES).value, found.readings.column / 2
    beside = "less" if median < half else "more"
    return f"Half of the votes' errors are below {median:.1f} degrees, which is {beside} than half a column of places ({half:.1f})."


def _confidence(found: Orientation) -> str:
    if len(found) < 4:
        return ""
    sure, unsure = found.halves
    return f"The half that is surer of itself is right in {_percent(sure)}, the other in {_percent(unsure)}."


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} %"


def _sign(difference: Estimate) -> int:
    """The direction of a difference whose interval excludes zero; 0 of any other."""
    if difference.ends is None or difference.excludes_zero:
        return int(np.sign(difference.value)) if difference.known else 0
    return 0
