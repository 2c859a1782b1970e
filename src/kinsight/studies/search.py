"""The search for a method's best setting: trial by trial, each a function of the study's seed and of the trials before it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import optuna

from kinsight.studies.study import Dimension

Values = dict[str, Any]  # floats, or whole numbers
Tried = Sequence[tuple[Mapping[str, Any], float]]
"""Values of earlier trials, in order, and the score of each."""

_DIGITS = 4


def proposed(space: Mapping[str, Dimension], tried: Tried, *, seed: int, name: str) -> Values:
    """What the next trial tries: first the defaults, then what Optuna's TPE sampler proposes after the trials so far.

    Optuna's study is rebuilt in memory from these, with a sampler seeded for this trial alone, so that whoever asks again, after any
    kill, gets the same answer. (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011.)

    Args:
        space: what is searched, by full name.
        tried: scores are better the higher they are.
        seed: of the study.
        name: of the method, so that methods draw otherwise.
    """
    if not tried:
        return {key: _rounded(each.default, each) for key, each in space.items()}
    known = tuple((tuple(sorted(values.items())), score) for values, score in tried)
    return dict(_asked(tuple(space.items()), known, _seed(seed, name, len(tried))))


@cache
def _asked(
    space: tuple[tuple[str, Dimension], ...], tried: tuple[tuple[tuple[tuple[str, float], ...], float], ...], seed: int
) -> tuple[tuple[str, float], ...]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranges = {key: _distribution(each) for key, each in space}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(2, min(10, len(space) + 1)))
    memory = optuna.create_study(direction="maximize", sampler=sampler)
    for values, score in tried:
        memory.add_trial(optuna.trial.create_trial(params=dict(values), distributions=ranges, value=score))
    found = memory.ask(ranges).params
    return tuple((key, _rounded(found[key], each)) for key, each in space)


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    if dimension.whole:
        return optuna.distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _rounded(value: float, dimension: Dimension) -> float:
    """In few digits, as it is written down, and inside the range."""
    if dimension.whole:
        return int(value)
    return min(max(float(f"{value:.{_DIGITS}g}"), dimension.low), dimension.high)


def _seed(seed: int, name: str, trial: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}/{trial}".encode()).digest()[:4], "little")
