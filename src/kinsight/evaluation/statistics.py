"""95 % intervals: of one evaluation by resampling its classes, of repeated runs by Student's t."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate

RESAMPLES = 1000
LEVEL = 0.95
MOST_KEPT = 2_000_000  # queries times resamples whose draws are kept: 16 MB


def bootstrap(
    values: np.ndarray, classes: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of the mean over queries, for other classes and other pictures of the same kind.

    Queries of one class are not independent: one easy class lifts them all. So each resample draws classes with replacement, then for
    every class drawn as many of its queries as it has, with replacement (two-stage bootstrap, Davison and Hinkley 1997, section 3.8),
    and takes the mean over all queries drawn. The gallery stays as it is.

    Args:
        values: one value, or M, for each query: (Q,) or (Q, M).
        classes: the class of each query (Q,).

    Returns:
        The lower and the upper ends, (M,) each, or numbers as arrays without axes for values (Q,).

    Raises:
        KinsightError: no query, or lengths that differ.
    """
    if not len(values) or len(values) != len(classes):
        raise KinsightError(
            f"{len(values)} values and {len(classes)} classes were given; give one class for each value, and at least one"
        )
    table = np.asarray(values, np.float64).reshape(len(values), -1)  # (Q, M)
    order = np.argsort(classes, kind="stable")
    sizes = np.unique(np.asarray(classes)[order], return_counts=True)[1]
    table = table[order]
    # Many figures of the same few queries: what is drawn for them is kept.
    draws = _kept_draws if len(table) * resamples <= MOST_KEPT else _draws
    means = np.stack([counts @ table / counts.sum() for counts in draws(tuple(sizes.tolist()), resamples, seed)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    shape = np.shape(values)[1:]
    return low.reshape(shape), high.reshape(shape)


def _draws(sizes: tuple[int, ...], resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each query is drawn, (Q,), in each resample; the queries stand class by class, `sizes` of each."""
    generator = np.random.default_rng(seed)
    length = np.array(sizes)
    starts = np.cumsum(length) - length
    for _ in range(resamples):
        drawn = generator.integers(len(length), size=len(length))
        size = np.repeat(length[drawn], length[drawn])  # (draws,)
        within = (generator.random(len(size), dtype=np.float32) * size).astype(np.int64)
        picks = np.repeat(starts[drawn], length[drawn]) + np.minimum(within, size - 1)
        yield np.bincount(picks, minlength=int(length.sum()))


@lru_cache(maxsize=4)
def _kept_draws(sizes: tuple[int, ...], resamples: int, seed: int) -> list[np.ndarray]:
    return list(_draws(sizes, resamples, seed))


def over_classes(values: np.ndarray, classes: np.ndarray) -> list[Estimate]:
    """The mean of each column of values (N, M) and its interval, resampled over classes (N,); a NaN is a row without that value.

    A column without any value gets NaN.
    """
    values = np.asarray(values, np.float64).reshape(len(classes), -1)
    found: dict[int, Estimate] = {}
    known = ~np.isnan(values)
    # Columns that are known for the same rows are drawn together, which is faster and keeps their resamples alike.
    for pattern in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == pattern[:, None]).all(0)).tolist()
        if not pattern.any():
            found |= {column: Estimate(float("nan")) for column in columns}
            continue
        part = values[pattern][:, columns]
        low, high = bootstrap(part, np.asarray(classes)[pattern])
        for column, *each in zip(columns, part.mean(0), low, high, strict=True):
            mean, lower, upper = map(float, each)
            found[column] = Estimate.between(mean, lower, upper, "bootstrap")
    return [found[column] for column in range(values.shape[1])]


def mean_over_classes(values: np.ndarray, classes: np.ndarray) -> Estimate:
    """The mean of values (N,) and its interval, resampled over classes (N,)."""
    return over_classes(np.asarray(values)[:, None], classes)[0]


def t_interval(values: np.ndarray | Sequence[float], *, level: float = LEVEL) -> Estimate:
    """Mean and interval of n independent runs: mean +- t(n - 1) * sd / sqrt(n), as the Reality Check reports 10 runs.

    Raises:
        KinsightError: fewer than two values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise KinsightError(
            f"an interval was asked of values of the shape {values.shape}; give one value for each of at least 2 runs"
        )
    half = float(stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return Estimate.between(mean, mean - half, mean + half, "t", len(values))


def paired_difference(
    a: np.ndarray | Sequence[float], b: np.ndarray | Sequence[float], *, level: float = LEVEL
) -> Estimate:
    """Mean and t-interval of a - b over runs that differ in nothing else, for example the same fold and seed.

    Raises:
        KinsightError: lengths that differ, or fewer than two pairs.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise KinsightError(
            f"values of the shapes {a.shape} and {b.shape} cannot be paired; give both methods' values run by run"
        )
    return t_interval(a - b, level=level)
