"""Whole numbers that a user gives: refused in one sentence where they make no sense."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinsight.errors import KinsightError

LARGEST_SEED = 2**32 - 1  # what every generator behind Kinsight takes


def require_whole(smallest: int, largest: int | None = None, /, **given: Any) -> None:
    """Refuse what is no whole number from `smallest` to `largest`; None, where it stands for "not given", passes.

    >>> require_whole(1, limit=None, pairs=6)

    Raises:
        KinsightError: naming the parameter, its value and what is allowed.
    """
    for name, value in given.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is None or (whole and smallest <= value and (largest is None or value <= largest)):
            continue
        shown = repr(value) if not whole else str(value) if abs(value) < 10**30 else "a number of over 30 digits"
        allowed = f"{smallest} or more" if largest is None else f"a whole number from {smallest} to {largest}"
        raise KinsightError(f"{name} is {shown}; write {allowed}")


def require_seed(seed: Any) -> None:
    """Refuse what is no seed.

    Raises:
        KinsightError: it is not a whole number from 0 to 2^32 - 1.
    """
    if seed is None:  # would be drawn anew each time
        raise KinsightError(f"seed is None; write a whole number from 0 to {LARGEST_SEED}")
    require_whole(0, LARGEST_SEED, seed=seed)
