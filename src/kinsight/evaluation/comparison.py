"""Settings compared by their repeated runs: a mean, a difference, and the interval that the data can carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.statistics import Interval, bootstrap, paired_difference, t_interval

Kind = Literal["runs", "queries"]
_ROUNDING = 1e-12  # intervals of values that are equal but for rounding are not wider


@dataclass(frozen=True)
class Estimate:
    """A mean, and its 95 % interval where there is one.

    Attributes:
        mean: over the runs, or the value of the only one.
        n: runs, or pairs of runs, behind it.
        low, high: the ends of the interval; None without one.
        kind: what the interval is about: `runs` (Student's t: other seeds and folds), `queries` (bootstrap over classes and the queries
            within them: other pictures of the same kind); None without one.
    """

    mean: float
    n: int
    low: float | None = None
    high: float | None = None
    kind: Kind | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and zero lies outside it."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"mean": self.mean, "n": self.n, "low": self.low, "high": self.high, "interval": self.kind}


def over_runs(values: Sequence[float]) -> Estimate:
    """Mean over repeated runs, with Student's t-interval from two runs on; none for one, nor for runs whose values are all alike.

    Few queries make equal values likely, and a spread of zero would claim a certainty that nobody has.

    Raises:
        KinsightError: no value.
    """
    if len(values) < 2:
        return Estimate(_only(values), len(values))
    return _estimate(t_interval(np.asarray(values)), len(values))


def difference_over_runs(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Mean of ours - theirs over pairs of runs, with Student's t-interval from two pairs on; none for one, nor for equal differences.

    Raises:
        KinsightError: lengths that differ, or no pair.
    """
    if len(ours) == len(theirs) < 2:
        return Estimate(_only(ours) - _only(theirs), 1)
    return _estimate(paired_difference(np.asarray(ours), np.asarray(theirs)), len(ours))


def differences_over_queries(ours: np.ndarray, theirs: np.ndarray, classes: np.ndarray) -> list[Estimate]:
    """For each of M metrics the mean of ours - theirs over the same queries, resampled by classes and queries within them; no interval
    where all are equal.

    Args:
        ours, theirs: values of one pair of runs, query by query (Q, M).
        classes: the class of each query (Q,).

    Raises:
        KinsightError: shapes that differ, or no query.
    """
    if ours.shape != theirs.shape:
        raise KinsightError(
            f"values of the shapes {ours.shape} and {theirs.shape} cannot be paired; give both runs' values query by query"
        )
    differences = np.asarray(ours, np.float64) - theirs  # (Q, M)
    low, high = bootstrap(differences, classes)  # (M,)
    ends = zip(differences.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [_estimate(Interval(*each), 1, "queries") for each in ends]


def of_one_run(mean: float, low: float | None, high: float | None) -> Estimate:
    """The value of the only run, with the interval of its own evaluation where it has one of any width."""
    if low is None or high is None:
        return Estimate(mean, 1)
    return _estimate(Interval(mean, low, high), 1, "queries")


def _estimate(interval: Interval, n: int, kind: Kind = "runs") -> Estimate:
    if interval.high - interval.low <= _ROUNDING:
        return Estimate(interval.mean, n)
    return Estimate(interval.mean, n, interval.low, interval.high, kind)


def _only(values: Sequence[float]) -> float:
    if len(values) != 1:
        raise KinsightError(f"{len(values)} values were given; give one for each run, and at least one")
    return float(values[0])
