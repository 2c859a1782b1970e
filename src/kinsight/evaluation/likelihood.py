"""How likely two pictures of a given similarity are the same: Platt's logistic curve over the cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kinsight.errors import KinsightError
from kinsight.evaluation.verification import Comparisons

BINS = 10
_LEAST_REGULARISED = 1e3  # keeps the slope finite where the two kinds of pairs do not overlap


@dataclass(frozen=True)
class Likelihood:
    """The log odds that two pictures are the same, where both are equally likely beforehand: slope * cosine + intercept."""

    slope: float
    intercept: float

    def probability(self, cosine: float | np.ndarray, *, prior: float = 0.5) -> float | np.ndarray:
        """How likely two pictures of this cosine are the same.

        Args:
            prior: how likely it was beforehand, between 0 and 1.

        Raises:
            KinsightError: the prior lies outside.
        """
        if not 0 < prior < 1:
            raise KinsightError(f"prior is {prior!r}; give a number above 0 and below 1")
        odds = self.slope * np.asarray(cosine, float) + self.intercept + math.log(prior / (1 - prior))
        return expit(odds)


def fit_likelihood(scores: np.ndarray, same: np.ndarray) -> Likelihood:
    """The curve through pairs of known answer, (P,) each; all pairs of one class together weigh as much as all pairs of two."""
    weights = _even(same) * len(scores)
    model = LogisticRegression(C=_LEAST_REGULARISED).fit(scores[:, None], same, sample_weight=weights)
    return Likelihood(float(model.coef_[0, 0]), float(model.intercept_[0]))


def held_out_error(found: Comparisons, *, seed: int = 0) -> float | None:
    """How far the probability is from the share that is the same, on average over tenths of it, fitted to half of the classes and used on
    the other half; None where the halves have not pairs of both kinds.
    """
    half = np.random.default_rng(seed).permutation(found.classes) % 2
    one, other = half[found.labels[found.first]], half[found.labels[found.second]]
    inside = [(one == side) & (other == side) for side in (0, 1)]
    if any(len(np.unique(found.same[each])) < 2 for each in inside):
        return None
    errors = []
    for fitted, used in (inside, inside[::-1]):
        curve = fit_likelihood(found.scores[fitted], found.same[fitted])
        errors.append(_error(np.asarray(curve.probability(found.scores[used])), found.same[used]))
    return float(np.mean(errors))


def _error(probabilities: np.ndarray, same: np.ndarray) -> float:
    """The expected calibration error."""
    which = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    weights = _even(same)
    said, true = (np.bincount(which, weights * values, BINS) for values in (probabilities, same))
    return float(np.abs(said - true).sum())


def _even(same: np.ndarray) -> np.ndarray:
    """(P,), so that both kinds of pairs sum to a half."""
    return np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
