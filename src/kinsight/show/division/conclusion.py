"""What to take from a division, in a few sentences: what became of the subspaces, whether the clusters hold, what they are worth."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation.estimate import DECIMALS, PERCENT
from kinsight.show.division.result import IN_ITS_SUBSPACE, DivisionResult

ALIKE, APART = 0.9, 0.1  # mean cosines of two masks from which on they are called so


def conclusion(found: DivisionResult) -> list[str]:
    """The answer first, then what it rests on."""
    return [sentence for sentence in (_subspaces(found), _steady(found), _worth(found)) if sentence]


def _subspaces(found: DivisionResult) -> str:
    count = len(found.masks)
    cosine = float(found.overlap[~np.eye(count, dtype=bool)].mean())
    said = "differ in part"
    if cosine > ALIKE:
        said = "are almost the same"
    elif cosine < APART:
        said = "share almost nothing"
    return (
        f"The training pictures fell into {count} clusters, and the subspaces that these trained {said}: "
        f"the cosine of two masks is {DECIMALS(cosine)} on average."
    )


def _steady(found: DivisionResult) -> str:
    known = [each for each in found.divisions if "agreement" in each]
    aside = found.divisions[-1].get("set_aside", 0) if found.divisions else 0
    left = f"{aside:,} pictures can form no pairs in their cluster and are set aside" if aside else ""
    if not known:
        return f"{left}." if left else ""
    stayed = f"At the last division {PERCENT(known[-1]['agreement'])} % of the pictures stayed in their cluster"
    return f"{stayed}; {left}." if left else f"{stayed}."


def _worth(found: DivisionResult) -> str:
    pairs = [
        (found.spaces[name].positive_over_negative, state.positive_over_negative)
        for name, state in (
            (name.removesuffix(IN_ITS_SUBSPACE), state)
            for name, state in found.spaces.items()
            if name.endswith(IN_ITS_SUBSPACE)
        )
    ]
    known = np.array([pair for pair in pairs if np.isfinite(pair).all()])
    if not len(known):
        return ""
    whole, own = known.mean(0).tolist()
    said = "is no better" if own >= 0.99 * whole else "is better"
    return (
        f"For the pictures of a cluster its own subspace {said} than the whole embedding: the nearest picture of the class is typically "
        f"{DECIMALS(own)} times as far as the nearest of another, {DECIMALS(whole)} times in the whole."
    )
