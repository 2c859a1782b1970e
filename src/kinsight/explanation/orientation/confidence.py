"""How often a heading that stands out so much is right: fitted to pairs whose headings are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kinsight.errors import KinsightError

FEWEST = 20  # pairs; of fewer nothing is fitted


@dataclass(frozen=True)
class Calibration:
    """The probability of being right, a logistic function of how high the peak of the votes stands and how far it leads.

    Attributes:
        within: degrees that count as right.
        intercept, height, lead: the logarithm of the odds is intercept + height x height of the peak + lead x its lead.
        pairs: so many it was fitted to.
        right: so many of these were right.
        source: which pairs these were.
    """

    within: float
    intercept: float
    height: float
    lead: float
    pairs: int
    right: int
    source: str

    def probability(self, height: np.ndarray | float, lead: np.ndarray | float) -> np.ndarray:
        """The probability that a heading is right."""
        return np.asarray(expit(self.intercept + self.height * np.asarray(height) + self.lead * np.asarray(lead)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From what `to_dict` gave.

        Raises:
            KinsightError: something is missing.
        """
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise KinsightError(
                f"the calibration lacks {', '.join(missing)}; measure the run again with kinsight orient"
            )
        return cls(**{name: values[name] for name in names})


def calibrated(
    height: np.ndarray, lead: np.ndarray, errors: np.ndarray, *, within: float, source: str
) -> Calibration | None:
    """Fit the probability of being right to pairs whose headings are known; None for fewer than `FEWEST`.

    Where all are right or all are wrong nothing can be told apart, and the probability is (right + 1) / (pairs + 2) throughout.

    Args:
        height, lead: (N,), of the peaks of the votes.
        errors: (N,), degrees.
        within: what counts as right.
        source: which pairs these are, for the record.
    """
    right = np.abs(errors) <= within
    count, hits = len(right), int(right.sum())
    if count < FEWEST:
        return None
    if hits in (0, count):
        return Calibration(within, float(np.log((hits + 1) / (count - hits + 1))), 0.0, 0.0, count, hits, source)
    features = np.stack([height, lead], 1)  # (N, 2)
    fitted = LogisticRegression().fit(features, right)
    slopes = fitted.coef_[0].tolist()
    return Calibration(within, float(fitted.intercept_[0]), slopes[0], slopes[1], count, hits, source)
