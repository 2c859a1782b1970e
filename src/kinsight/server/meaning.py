"""What a cosine means, where the model was calibrated: how likely the same, and whether anything like it is there at all."""

from __future__ import annotations

from typing import Any

from kinsight.errors import KinsightError
from kinsight.retrieval.hits import Found
from kinsight.runs.calibration import Calibration

RATE = 0.01  # of searches that may find something where there is nothing


class Meaning:
    """Sentences about cosines.

    Args:
        calibration: of the model; None: a cosine stays a cosine.
    """

    def __init__(self, calibration: Calibration | None) -> None:
        self.calibration = calibration

    def same(self, score: float) -> float | None:
        """How likely two whole pictures of this cosine are the same, if both are equally likely beforehand."""
        if self.calibration is None:
            return None
        return round(float(self.calibration.of_hits.probability(score)), 4)

    def anything(self, found: Found) -> dict[str, Any] | None:
        """Whether the best hit is more than searches for what is not there find, and how often those for what is there find so much.

        None where that is not known.
        """
        if self.calibration is None or not found.searched:
            return None
        for rate in sorted({RATE, *(point.rate for point in self.calibration.search if point.rate > RATE)}):
            try:
                threshold = self.calibration.search_threshold(rate, found.searched)
            except KinsightError:  # too few pictures to promise so little; a weaker promise may do
                continue
            best = max((hit.score for hit in found), default=-1.0)
            finds = max(point.true for point in self.calibration.search if point.threshold == threshold)
            return {
                "anything": best >= threshold,
                "threshold": round(threshold, 6),
                "rate": rate,
                "finds": round(finds, 4),
            }
        return None

    def plain(self) -> dict[str, Any] | None:
        """For `about`."""
        if self.calibration is None:
            return None
        known = self.calibration
        return {
            "pictures": known.pictures,
            "classes": known.classes,
            "split": known.split,
            "judged": 0 if known.judged is None else known.judged.same + known.judged.different,
            "pairs": [{"rate": point.rate, "threshold": point.threshold} for point in known.pairs],
        }
