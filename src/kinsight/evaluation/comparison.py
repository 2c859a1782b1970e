"""Settings compared by their repeated runs: a mean, a difference, and the interval that the data can carry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import over_classes, paired_difference, t_interval


def over_runs(values: Sequence[float]) -> Estimate:
    """Mean over repeated runs, with Student's t-interval from two runs on; none for one, nor for runs whose values are all alike.

    Raises:
        KinsightError: no value.
    """
    return t_interval(values) if len(values) > 1 else Estimate(_only(values))


def difference_over_runs(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Mean of ours - theirs over pairs of runs, with Student's t-interval from two pairs on; none for one, nor for equal differences.

    Raises:
        KinsightError: lengths that differ, or no pair.
    """
    if len(ours) == len(theirs) < 2:
        return Estimate(_only(ours) - _only(theirs))
    return paired_difference(ours, theirs)


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
    return over_classes(np.asarray(ours, np.float64) - theirs, classes)


def _only(values: Sequence[float]) -> float:
    if len(values) != 1:
        raise KinsightError(f"{len(values)} values were given; give one for each run, and at least one")
    return float(values[0])
