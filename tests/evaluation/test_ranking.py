from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsight.errors import KinsightError
from kinsight.evaluation import ranking
from reference import ranking as reference

rows = st.lists(st.lists(st.booleans(), min_size=9, max_size=9).filter(any), min_size=1, max_size=8)


def ours(relevant, positives):
    return {
        **{f"recall_at_{k}": ranking.recall_at_k(relevant, k) for k in (1, 2, 4, 8)},
        "precision_at_1": ranking.precision_at_k(relevant, 1),
        "r_precision": ranking.r_precision(relevant, positives),
        "map_at_r": ranking.average_precision_at_r(relevant, positives),
        "map_hits": ranking.map_hits(relevant, positives),
        "map_n": ranking.map_n(np.pad(relevant, ((0, 0), (0, 1))), positives),
        "map": ranking.average_precision(relevant, positives),
        "mrr": ranking.reciprocal_rank(relevant),
    }


@given(rows)
def test_every_metric_equals_the_reference(table):
    relevant = np.array(table)
    positives = relevant.sum(axis=1)
    found = ours(relevant, positives)
    for query, row in enumerate(table):
        for name, value in reference.metrics(row).items():
            assert found[name][query] == pytest.approx(value, abs=1e-12), name


@given(rows)
def test_ranks_say_the_same_as_relevance(table):
    relevant = np.array(table)
    positives = relevant.sum(axis=1)
    ranks = np.zeros((len(table), positives.max()), np.int64)
    for query, row in enumerate(relevant):
        ranks[query, : positives[query]] = np.random.default_rng(0).permutation(np.nonzero(row)[0] + 1)
    np.testing.assert_array_equal(ranking.relevance_of_ranks(ranks, 9), relevant)
    np.testing.assert_array_equal(ranking.relevance_of_ranks(ranks, 4), relevant[:, :4])
    np.testing.assert_allclose(
        ranking.average_precision_of_ranks(ranks), ranking.average_precision(relevant, positives), rtol=1e-12
    )
    np.testing.assert_allclose(ranking.reciprocal_rank_of_ranks(ranks), ranking.reciprocal_rank(relevant), rtol=1e-12)


@given(rows)
def test_order_of_the_definitions(table):
    """Property 7 of the protocol's facts."""
    relevant = np.array(table)
    found = ours(relevant, relevant.sum(axis=1))
    hits = [found[f"recall_at_{k}"] for k in (1, 2, 4, 8)]
    assert all((a <= b).all() for a, b in pairwise(hits))
    np.testing.assert_array_equal(found["precision_at_1"], found["recall_at_1"])
    slack = 1e-12
    assert (found["map_at_r"] <= found["r_precision"] + slack).all()
    assert (found["map_at_r"] <= found["map_hits"] + slack).all()
    # Equal exactly where all R hits or none are within the first R.
    within = np.isin(found["r_precision"], (0, 1))
    np.testing.assert_array_equal(np.isclose(found["map_at_r"], found["map_hits"], atol=1e-12), within)
    assert (found["map_at_r"] <= found["map"] + slack).all()


@pytest.mark.parametrize("size", [2, 5, 15])
def test_perfect_retrieval(size):
    positives = np.array([size - 1])
    relevant = np.arange(size + 3)[None] < size - 1
    found = ours(np.pad(relevant, ((0, 0), (0, 8))), positives)
    assert found.pop("map_n")[0] == pytest.approx((size - 1) / size)
    assert all(value[0] == pytest.approx(1) for value in found.values())


def test_values_by_hand():
    relevant, positives = np.array([[True, False, True, True]]), np.array([3])
    found = {name: float(value[0]) for name, value in ours(np.pad(relevant, ((0, 0), (0, 6))), positives).items()}
    assert found["map_at_r"] == pytest.approx((1 + 2 / 3) / 3)
    assert found["map_hits"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["map_n"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 4)
    assert found["map"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found["r_precision"] == pytest.approx(2 / 3)


def test_too_few_neighbours_and_queries_without_positives_are_refused():
    """Property 11 of the protocol's facts."""
    relevant = np.ones((2, 3), bool)
    with pytest.raises(KinsightError, match="k is 4 but 3 neighbours are known"):
        ranking.recall_at_k(relevant, 4)
    with pytest.raises(KinsightError, match="k is 4 but 3"):
        ranking.average_precision_at_r(relevant, np.array([4, 1]))
    with pytest.raises(KinsightError, match="query 1 has no positives"):
        ranking.r_precision(relevant, np.array([1, 0]))
