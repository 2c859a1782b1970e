"""Are two pictures the same thing? What a threshold on their similarity gives, from pictures whose answer is known.

Two kinds of question are told apart, because their errors differ. **Pairs**: of two pictures, is it the same? A false accept is a pair
of two classes whose similarity reaches the threshold. **Search**: is anything like this picture in the gallery? A false accept is a
picture without a match whose *best* hit reaches it, so that its rate grows with the gallery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import LEVEL, mean_over_classes, t_interval
from kinsight.evaluation.vectors import unit

RESAMPLES, FEW_RESAMPLES = 1000, 200
FOLDS, PAIRS_A_FOLD = 10, 300  # as LFW has them, and of each kind


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All pairs of N pictures, the most alike first. Made by `compare`.

    Attributes:
        scores: (P,) their similarities, falling.
        first, second: (P,) the pictures of each pair, as rows.
        labels: (N,) the class of each picture, from 0.
    """

    scores: np.ndarray
    first: np.ndarray
    second: np.ndarray
    labels: np.ndarray

    @cached_property
    def same(self) -> np.ndarray:
        """(P,) whether both pictures are of one class."""
        return self.labels[self.first] == self.labels[self.second]

    @property
    def classes(self) -> int:
        """How many."""
        return int(self.labels.max()) + 1

    @cached_property
    def impostors(self) -> np.ndarray:
        """The scores of pairs of two classes, falling."""
        return self.scores[~self.same]

    @cached_property
    def genuine(self) -> np.ndarray:
        """The scores of pairs of one class, falling."""
        return self.scores[self.same]

    @cached_property
    def strangest(self) -> np.ndarray:
        """(N,) of each picture the score of the picture of another class that is most like it."""
        return _best(self, ~self.same)

    def impostors_reaching(self, threshold: float) -> np.ndarray:
        """(N,) how many pictures of other classes are that much like each picture."""
        count = int(np.searchsorted(-self.scores, -threshold, side="right"))
        reaching = np.flatnonzero(~self.same[:count])
        ends = np.concatenate([self.first[reaching], self.second[reaching]])
        return np.bincount(ends, minlength=len(self.labels))

    @cached_property
    def likest(self) -> np.ndarray:
        """(N,) of each picture the score of the other picture of its class that is most like it; -inf where it is alone."""
        return _best(self, self.same)


def compare(vectors: np.ndarray, labels: np.ndarray) -> Comparisons:
    """All pairs of pictures by their cosine.

    Args:
        vectors: (N, D); rows of any length.
        labels: (N,) of any kind.

    Raises:
        KinsightError: there are not both pairs of one class and pairs of two.
    """
    rows = unit(vectors)  # (N, D)
    codes = np.unique(labels, return_inverse=True)[1].reshape(-1)
    first, second = np.triu_indices(len(rows), 1)
    scores = (rows @ rows.T)[first, second]  # (P,)
    order = np.argsort(-scores, kind="stable")
    found = Comparisons(scores[order], first[order], second[order], codes)
    if not found.same.any() or found.same.all():
        raise KinsightError(
            f"{len(rows)} pictures of {found.classes} classes do not give both pairs of one class and pairs of two; give at least two "
            "classes, and two pictures of one of them"
        )
    return found


def compared_pairs(vectors: np.ndarray, first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Comparisons:
    """Some pairs of pictures by their cosine, as `compare` has all of them.

    Args:
        vectors: (N, D); rows of any length.
        first, second: (P,) the rows of each pair.
        labels: (N,) classes, as numbers from 0.
    """
    rows = unit(vectors)  # (N, D)
    scores = np.einsum("pd,pd->p", rows[first], rows[second])
    order = np.argsort(-scores, kind="stable")
    return Comparisons(scores[order], first[order], second[order], labels)


def threshold_for(falling: np.ndarray, rate: float) -> float | None:
    """The lowest threshold that at most a share `rate` of these scores reaches; None where so few of them cannot tell.

    Args:
        falling: the scores of what must not be accepted, the highest first.
    """
    allowed = int(rate * len(falling) + 1e-9)
    if allowed < 1 or allowed >= len(falling):
        return None
    inside, outside = float(falling[allowed - 1]), float(falling[allowed])
    return (inside + outside) / 2 if inside > outside else float(np.nextafter(outside, np.inf))


def accepted_pairs(
    found: Comparisons, thresholds: Sequence[float], *, seed: int = 0
) -> list[tuple[Estimate, Estimate]]:
    """Of each threshold the shares of pairs of two classes (false accepts), and of one class (true accepts), that reach it.

    The intervals are for other classes of the same kind: each resample draws the classes with replacement; a pair counts as often as its
    classes were drawn together, and two copies of one class are no pair of two classes.
    """
    times = np.stack(list(_drawn(found, RESAMPLES, seed)))  # (R, C)
    one, other = found.labels[found.first], found.labels[found.second]

    def counts(pairs: np.ndarray) -> np.ndarray:
        """(1 + R,), how many of these pairs there are: in all, and in each resample."""
        table = np.bincount(one[pairs] * found.classes + other[pairs], minlength=found.classes**2)
        between = table.reshape(found.classes, found.classes).astype(float)  # (C, C)
        within = np.diag(between).copy()
        np.fill_diagonal(between, 0)
        # Pairs of one class, or of two: never both in one call.
        return np.append(between.sum() + within.sum(), ((times @ between) * times).sum(1) + times @ within)

    def shares(kind: np.ndarray, reached: np.ndarray) -> Estimate:
        with np.errstate(invalid="ignore"):
            value, *drawn = counts(kind & reached) / counts(kind)
        return _between(float(value), np.array(drawn))

    reached = [found.scores >= threshold for threshold in thresholds]
    return [(shares(~found.same, each), shares(found.same, each)) for each in reached]


def equal_error_rate(found: Comparisons, *, seed: int = 0) -> Estimate:
    """The rate at which as many pairs of two classes are accepted as of one class are refused; its interval as in `accepted_pairs`."""
    one, other = found.labels[found.first], found.labels[found.second]
    drawn = []
    for times in _drawn(found, FEW_RESAMPLES, seed):
        weights = np.where(found.same, times[one], times[one] * times[other])
        drawn.append(_equal(*_shares_down_to(found, weights)))
    return _between(_equal(*_shares_down_to(found, np.ones(len(found.scores)))), np.array(drawn))


def curve(found: Comparisons, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The receiver operating characteristic: false accepts (rising), and the true accepts beside them; thinned evenly in the logarithm."""
    false, true = _shares_down_to(found, np.ones(len(found.scores)))
    least = 1 / len(found.impostors)
    wanted = np.geomspace(least, 1, points)
    return wanted, true[np.minimum(np.searchsorted(false, wanted, side="right"), len(true)) - 1]


def found_in_search(found: Comparisons, threshold: float, *, gallery: int | None = None) -> tuple[Estimate, Estimate]:
    """Search: the share of pictures whose best hit of *another* class reaches a threshold (what a picture without a match would get), and
    of those with a match the share whose best hit is of their class and reaches it.

    Args:
        gallery: how many pictures are searched for the first share, drawn from all others: the exact mean over all such draws. None: all
            others. The second share is always among all others.

    The intervals are over classes.
    """
    others = len(found.labels) - 1
    false = mean_over_classes(_any_of(found.impostors_reaching(threshold), others, gallery or others), found.labels)
    matched = np.isfinite(found.likest)
    right = (found.likest >= threshold) & (found.likest > found.strangest)
    return false.within(0, 1), mean_over_classes(right[matched], found.labels[matched]).within(0, 1)


def ten_fold_accuracy(found: Comparisons, *, seed: int = 0) -> Estimate | None:
    """The accuracy of "the same?" as Labeled Faces in the Wild reports it: in each of ten folds of disjoint classes equally many pairs of
    one class and of two, judged by the threshold that is best on the other nine.

    None where the classes are too few for pairs of both kinds in every fold.
    """
    random = np.random.default_rng(seed)
    fold = random.permutation(found.classes) % FOLDS
    one, other = fold[found.labels[found.first]], fold[found.labels[found.second]]
    picked = []
    for each in range(FOLDS):
        inside = (one == each) & (other == each)
        kinds = [np.flatnonzero(inside & found.same), np.flatnonzero(inside & ~found.same)]
        count = min(PAIRS_A_FOLD, *map(len, kinds))
        if not count:
            return None
        picked.append(np.concatenate([random.permutation(kind)[:count] for kind in kinds]))
    accuracies = []
    for each in range(FOLDS):
        others = np.sort(
            np.concatenate([picked[index] for index in range(FOLDS) if index != each])
        )  # the scores still fall
        gain = np.cumsum(np.where(found.same[others], 1, -1))
        best = int(gain.argmax())
        threshold = found.scores[others[best : best + 2]].mean()
        accuracies.append(((found.scores[picked[each]] >= threshold) == found.same[picked[each]]).mean())
    return t_interval(accuracies).within(0, 1)


def _any_of(marked: np.ndarray, others: int, drawn: int) -> np.ndarray:
    """How likely at least one of `marked` pictures is among `drawn` of `others`: 1 - C(others - marked, drawn) / C(others, drawn)."""
    drawn = min(drawn, others)
    free = others - marked
    with np.errstate(invalid="ignore"):
        logarithm = gammaln(free + 1) - gammaln(free - drawn + 1) - gammaln(others + 1) + gammaln(others - drawn + 1)
    return np.where(free >= drawn, -np.expm1(logarithm), 1.0)


def _best(found: Comparisons, wanted: np.ndarray) -> np.ndarray:
    best = np.full(len(found.labels), -np.inf)
    for side in (found.first, found.second):
        np.maximum.at(best, side[wanted], found.scores[wanted])
    return best


def _shares_down_to(found: Comparisons, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) each: false and true accepts where the threshold lies just below each score, falling; ties are accepted together."""
    last = np.append(found.scores[1:] != found.scores[:-1], True)
    shares = []
    for kind in (~found.same, found.same):
        sums = np.cumsum(np.where(kind, weights, 0))
        shares.append(sums[last] / sums[-1] if sums[-1] else np.full(int(last.sum()), np.nan))
    return shares[0], shares[1]


def _equal(false: np.ndarray, true: np.ndarray) -> float:
    at = min(int(np.searchsorted(false + true, 1)), len(false) - 1)  # both rise
    return float((false[at] + 1 - true[at]) / 2)


def _drawn(found: Comparisons, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """(C,), how often each class is drawn in each resample."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(found.classes, size=found.classes), minlength=found.classes)


def _between(value: float, drawn: np.ndarray) -> Estimate:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Estimate(value)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate.between(value, float(low), float(high), "bootstrap").within(0, 1)
