"""Settings compared by their repeated runs: a mean, a difference, and the interval that the data can carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import over_classes, paired_difference, t_interval

Range = tuple[float, float]


FEWEST = 3  # runs behind an interval; that of two is twelve times as wide as they are apart, and says nothing


def over_runs(values: Sequence[float], possible: Range = (-math.inf, math.inf)) -> Estimate:
    """Mean over repeated runs, with Student's t-interval from three runs on; none for fewer, nor for runs whose values are all alike.

    Args:
        possible: what the mean may be; an interval does not go beyond it.

    Raises:
        KinsightError: no value.
    """
    if not len(values):
        raise KinsightError("0 values were given; give one for each run, and at least one")
    if len(values) < FEWEST:
        return Estimate(float(np.mean(values)), n=len(values))
    return t_interval(values).within(*possible)


def difference_over_runs(
    ours: Sequence[float], theirs: Sequence[float], possible: Range = (-math.inf, math.inf)
) -> Estimate:
    """Mean of ours - theirs over pairs of runs, with Student's t-interval from three pairs on; none for fewer, nor for equal differences.

    Raises:
        KinsightError: lengths that differ, or no pair.
    """
    if len(ours) == len(theirs) < FEWEST:
        return over_runs([a - b for a, b in zip(ours, theirs, strict=True)])
    return paired_difference(ours, theirs).within(*possible)


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
