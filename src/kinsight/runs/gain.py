"""What training gained: the trained against the untrained model on the same queries, one by one."""

from __future__ import annotations

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate, describe
from kinsight.evaluation.comparison import differences_over_queries
from kinsight.runs.evaluations import EvaluationRecord, Evaluations, start_of
from kinsight.runs.ranking import QueryValues

_ALWAYS_STORED = ["precision_at_1"]


def gains(evaluations: Evaluations, trained: EvaluationRecord) -> dict[str, Estimate]:
    """By ranking metric the mean of trained - untrained, resampled by classes and queries within them.

    Empty where the untrained model was not measured, or not on the very same queries.

    Raises:
        KinsightError: what an evaluation ranked is damaged.
    """
    name = start_of(trained.name)
    if name not in evaluations.names():
        return {}
    untrained = evaluations.read(name)
    known = [key for key in trained.metrics if key in untrained.metrics and _is_ranking(key)]
    for keys in (known, [key for key in _ALWAYS_STORED if key in known]):
        ours, theirs = (_values(evaluations, one, keys) for one in (trained, untrained))
        if keys and ours is not None and theirs is not None and _same(ours, theirs):
            return dict(zip(keys, differences_over_queries(ours.values, theirs.values, ours.labels), strict=True))
    return {}


def _is_ranking(key: str) -> bool:
    if key.endswith(("_low", "_high", "_sd")):
        return False
    try:
        return describe(key).ranking
    except KinsightError:
        return False


def _values(evaluations: Evaluations, record: EvaluationRecord, keys: list[str]) -> QueryValues | None:
    """The values of each query; None where they are not stored, or are of another evaluation than the record."""
    found = evaluations.query_values(record.name, keys)
    stored = [record.metrics[key] for key in keys]
    return found if found is not None and np.allclose(found.values.mean(axis=0), stored, rtol=0, atol=1e-6) else None


def _same(ours: QueryValues, theirs: QueryValues) -> bool:
    return np.array_equal(ours.ids, theirs.ids) and np.array_equal(ours.labels, theirs.labels)
