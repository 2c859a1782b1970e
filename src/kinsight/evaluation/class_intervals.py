"""Means with 95 % intervals, drawn over classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.statistics import Interval, bootstrap


def class_intervals(values: np.ndarray, classes: np.ndarray) -> list[Interval]:
    """The mean of each column of values (N, M) and its interval over classes; a NaN is a row without that value.

    A column without any value gets NaN.
    """
    values = np.asarray(values, np.float64).reshape(len(classes), -1)
    found: list[Interval | None] = [None] * values.shape[1]
    known = ~np.isnan(values)
    # Columns that are known for the same rows are drawn together, which is faster and keeps their resamples alike.
    for pattern in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == pattern[:, None]).all(0))
        if pattern.any():
            part = values[pattern][:, columns]
            low, high = bootstrap(part, np.asarray(classes)[pattern])
            means = part.mean(0)
        else:
            low = high = means = np.full(len(columns), np.nan)
        for number, column in enumerate(columns):
            found[column] = Interval(float(means[number]), float(low[number]), float(high[number]))
    return [interval for interval in found if interval is not None]


def class_interval(values: np.ndarray, classes: np.ndarray) -> Interval:
    """The mean of values (N,) and its interval over classes."""
    return class_intervals(np.asarray(values)[:, None], classes)[0]


def classes_of(pairs: np.ndarray, labels: Sequence[object] | np.ndarray | None, count: int) -> np.ndarray:
    """What the intervals of pairs (M, 2) of `count` pictures are drawn over: the class of each query, or each pair itself.

    Raises:
        KinsightError: the pairs name pictures that do not exist, or labels are not one for each picture.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or not 0 <= pairs.min() <= pairs.max() < count:
        raise KinsightError(
            f"pairs of shape {pairs.shape} do not name pictures; give rows (query, partner) with numbers from 0 to {count - 1}"
        )
    if labels is None:
        return np.arange(len(pairs))
    if len(labels) != count:
        raise KinsightError(f"{len(labels)} labels do not fit {count} pictures; give one for each")
    return np.asarray(labels)[pairs[:, 0]]
