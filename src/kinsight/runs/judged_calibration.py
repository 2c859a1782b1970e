"""What a cosine means among hits: thresholds and a probability from pairs that people saw and judged, beside those from all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kinsight.errors import KinsightError
from kinsight.evaluation import verification
from kinsight.evaluation.likelihood import Likelihood, fit_likelihood
from kinsight.evaluation.verification import Comparisons
from kinsight.runs.operating_point import OperatingPoint

FEWEST = 10  # of each kind


@dataclass(frozen=True)
class JudgedCalibration:
    """What people said of hits, over their cosine.

    They are no random sample of pairs: whoever is shown a hit sees what is alike. So a rate of false accepts here is one among *shown*
    pairs of two classes, and the threshold for it is higher than among all pairs.

    Attributes:
        table, digest: the table of judgements.
        pictures, same, different: how many pictures, pairs that were confirmed, and rejected.
        parts: pairs that were left out because a part of the query was asked with.
        contradictory: rejected pairs that were left out because confirmed ones connect them.
        unreadable: pictures that could not be read any more; their pairs are left out.
        pairs: the operating points, the strictest first.
        likelihood: how likely a hit of a cosine is the same; None: among these pairs a higher cosine does not make it likelier.
    """

    table: str
    digest: str
    pictures: int
    same: int
    different: int
    parts: int
    contradictory: int
    unreadable: int
    pairs: list[OperatingPoint]
    likelihood: Likelihood | None = None


def judged_calibration_of(
    found: Comparisons,
    rates: Sequence[float],
    *,
    table: str,
    digest: str,
    parts: int = 0,
    contradictory: int = 0,
    unreadable: int = 0,
    seed: int = 0,
) -> JudgedCalibration:
    """The calibration by judged pairs.

    Args:
        found: these pairs.
        rates: of false accepts; those that the rejected pairs are too few to tell are left out.
        table, digest, parts, contradictory, unreadable: what is written beside the numbers.
        seed: of resamples.

    Raises:
        KinsightError: there are too few of a kind.
    """
    if min(len(found.genuine), len(found.impostors)) < FEWEST:
        raise KinsightError(
            f"{table} holds {len(found.genuine)} confirmed and {len(found.impostors)} rejected pairs of whole pictures, and at least "
            f"{FEWEST} of each can tell something; judge more matches on the page"
        )
    points = {rate: at for rate in rates if (at := verification.threshold_for(found.impostors, rate)) is not None}
    accepted = verification.accepted_pairs(found, list(points.values()), seed=seed)
    likelihood = fit_likelihood(found.scores, found.same)
    return JudgedCalibration(
        table=table,
        digest=digest,
        pictures=len(found.labels),
        same=len(found.genuine),
        different=len(found.impostors),
        parts=parts,
        contradictory=contradictory,
        unreadable=unreadable,
        pairs=[
            OperatingPoint.measured(rate, threshold, *estimates)
            for (rate, threshold), estimates in zip(points.items(), accepted, strict=True)
        ],
        likelihood=likelihood if likelihood.slope > 0 else None,
    )
