"""What the numbers of maps mean on these pictures, in a sentence or two."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation.estimate import Estimate
from kinsight.explanation.measuring.correspondence import OVERALL, PARTIAL, SAME_POSITION, Correspondence
from kinsight.explanation.measuring.faithfulness import Faithfulness
from kinsight.explanation.measuring.localization import CENTRE, WHOLE
from kinsight.explanation.measuring.localization_result import HELD_OUT, SAME, Localization


def localization_verdict(found: Localization) -> str:
    """Whether the maps of the first method find more objects than a box in the middle of the picture does."""
    method = next(iter(found.scores))
    figure = HELD_OUT if found.figure(method, HELD_OUT).known else SAME
    maps, centre = (found.figure(name, figure) for name in (method, CENTRE))
    numbers = f"The maps of {method} find {_percent(maps)} of the boxes, a centred box {_percent(centre)}"
    inside, covered = (found.figure(name, "box_energy") for name in (method, WHOLE))
    energy = f"{_percent(inside)} of what the maps say falls inside the boxes, which cover {_percent(covered)} of the pictures"
    better = _sign(found.difference(method, CENTRE, figure))
    looks = inside.value > covered.value
    if better > 0:
        return f"{numbers}: the maps know where the object is. {energy}."
    if better == 0:
        return f"{numbers}: no clear difference on {len(found.labels)} pictures. {energy}."
    middle = (
        "on these pictures objects stand in the middle and fill much of it, so right boxes say little about the maps"
    )
    return f"{numbers}: {middle}. {energy}: {'more' if looks else 'no more'} than by chance."


def correspondence_verdict(found: Correspondence) -> str:
    """Whether the map of a part peaks on the same part, more often than what knows of no part does."""
    alpha = found.alphas[0]
    maps, overall, position = (found.pck(row, alpha) for row in (PARTIAL, OVERALL, SAME_POSITION))
    numbers = (
        f"Asked about a part, the map peaks on the same part of the other picture in {_percent(maps)} of the cases (within "
        f"{100 * alpha:g} % of the box); the overall map, which knows of no part, in {_percent(overall)}, the same position in "
        f"{_percent(position)}"
    )
    knows, moves = (_sign(found.difference(PARTIAL, row, alpha)) for row in (OVERALL, SAME_POSITION))
    if knows <= 0:
        return f"{numbers}: on {len(found.part)} points nothing shows that the map knows which part it was asked about."
    if moves > 0:
        return f"{numbers}: parts are answered by the same parts."
    if moves == 0:
        return f"{numbers}: the map knows of the part, but is not clearly better than looking at the same position."
    return (
        f"{numbers}: the map knows of the part, but here parts stand where they stood, and that finds them more often."
    )


def faithfulness_verdict(found: Faithfulness) -> str:
    """Whether pixels that the first method calls important matter more than others."""
    method = next(iter(found.curves["deletion"]))
    deletion, insertion = (found.difference(kind, method) for kind in ("deletion", "insertion"))
    numbers = (
        f"{found.replacement.capitalize()} first where {method} says most, a pair is {abs(deletion.value):.3f} "
        f"{'less' if deletion.value < 0 else 'more'} alike on the way than in random order; uncovered first there, "
        f"{abs(insertion.value):.3f} {'more' if insertion.value > 0 else 'less'}"
    )
    signs = -_sign(deletion), _sign(insertion)
    if min(signs) > 0:
        return f"{numbers}: what the maps call important matters."
    if max(signs) > 0:
        return f"{numbers}: only one of the two is clearly better than random, so the maps are right in part."
    return f"{numbers}: the maps name pixels that matter no more than others."


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.0f} %" if estimate.known else "an unknown share"


def _sign(difference: Estimate) -> int:
    """The direction of a difference whose interval excludes zero; 0 of any other. Differences that are all alike are as they are."""
    if difference.ends is None or difference.excludes_zero:
        return int(np.sign(difference.value)) if difference.known else 0
    return 0
