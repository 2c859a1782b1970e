"""Who searches whom with which numbers, for models of one stream and of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kinsight.evaluation.evaluate import USUAL
from kinsight.models import Model, TwoStreams
from kinsight.training.validation import who_searches

CROSS_VIEW = (1, 5, 10)
"""The k of R@k that cross-view matching reports, beside R@1 %."""


def how_evaluated(
    model: Model, table: pd.DataFrame, rows: np.ndarray, k: Sequence[int], query_view: str | None
) -> dict[str, Any]:
    """Arguments of `evaluate` for these rows (R,) of the table: who searches whom, and the k of R@k.

    Raises:
        KinsightError: see `who_searches`.
    """
    found = {**who_searches(model, table, rows, query_view), "ks": tuple(k)}
    if isinstance(model, TwoStreams):
        answers = len(rows) - int(found["queries"].sum())
        usual = tuple(each for each in CROSS_VIEW if each <= answers)
        found |= {"ks": usual if tuple(k) == USUAL else tuple(k), "percents": (1,)}
    return found


def direction(model: Model, query_view: str | None) -> dict[str, str]:
    """The fact of the protocol that says which view searches which; nothing of a model of one stream."""
    if not isinstance(model, TwoStreams):
        return {}
    asks = query_view or model.names[0]
    answers = next(name for name in model.names if name != asks)
    return {"direction": f"{asks} searches {answers}"}
