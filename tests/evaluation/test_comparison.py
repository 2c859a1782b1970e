"""Means and differences with the interval that the data can carry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate, bootstrap
from kinsight.evaluation.comparison import difference_over_runs, differences_over_queries, over_runs


def test_mean_over_runs_has_student_s_interval():
    values = [0.31, 0.36, 0.33, 0.40]
    found = over_runs(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.n, found.method) == (pytest.approx(0.35), 4, "t")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_fewer_than_three_runs_have_no_interval_and_none_is_refused():
    assert over_runs([0.4]) == Estimate(0.4)
    assert over_runs([0.4, 0.5]) == Estimate(pytest.approx(0.45), n=2)
    assert difference_over_runs([0.5, 0.5], [0.25, 0.5]) == Estimate(0.125, n=2)
    assert difference_over_runs([0.5], [0.25]) == Estimate(0.25)
    assert not Estimate(0.25).excludes_zero
    with pytest.raises(KinsightError, match="at least one"):
        over_runs([])
    with pytest.raises(KinsightError, match="at least one"):
        difference_over_runs([], [])
    with pytest.raises(KinsightError, match="cannot be paired"):
        difference_over_runs([0.1, 0.2], [0.1])


def test_values_all_alike_claim_no_certainty():
    assert over_runs([0.125] * 3) == Estimate(0.125, method="t", n=3)
    found = difference_over_runs([0.3, 0.5, 0.9], [0.2, 0.4, 0.8])
    assert (found.value, found.n, found.low, found.excludes_zero) == (pytest.approx(0.1), 3, None, False)
    assert over_runs([0.125, 0.125, 0.125001]).low is not None


def test_no_interval_goes_beyond_what_is_possible():
    high = over_runs([0.99, 0.9, 1.0], (0.0, 1.0))
    assert high.high == 1.0
    assert high.low == over_runs([0.99, 0.9, 1.0]).low
    assert difference_over_runs([0.1, 0.9, 1.0], [0.0, 0.0, 0.0], (-1.0, 1.0)).high == 1.0


def test_difference_over_pairs_is_that_of_scipy_s_paired_test():
    ours, theirs = [0.52, 0.58, 0.49], [0.50, 0.55, 0.48]
    found = difference_over_runs(ours, theirs)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.value == pytest.approx(0.02)
    assert found.excludes_zero == (expected.low > 0)
    unpaired = stats.ttest_ind(ours, theirs).confidence_interval(0.95)
    assert found.high - found.low < unpaired.high - unpaired.low


def test_one_pair_is_resampled_query_by_query():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(10), 8)
    hard = rng.random(80)  # what makes a query hard is hard for both
    theirs = np.stack([hard, hard], axis=1)
    ours = theirs + [0.1, 0.0] + 0.02 * rng.standard_normal((80, 2))
    better, same = differences_over_queries(ours, theirs, classes)
    low, high = bootstrap(ours - theirs, classes)
    assert better == Estimate(pytest.approx((ours - theirs)[:, 0].mean()), low[0], high[0], "bootstrap")
    assert better.excludes_zero
    assert not same.excludes_zero
    wide = bootstrap(ours[:, 0], classes)
    assert better.high - better.low < 0.2 * (wide[1] - wide[0])
    with pytest.raises(KinsightError, match="cannot be paired"):
        differences_over_queries(ours, theirs[:-1], classes)
    (equal,) = differences_over_queries(theirs[:, :1], theirs[:, :1], classes)
    assert equal == Estimate(0.0, method="bootstrap")


@pytest.mark.parametrize(
    ("low", "high", "excludes"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)]
)
def test_zero_outside(low: float, high: float, excludes: bool):
    assert Estimate(0.0, low, high, "t", 3).excludes_zero is excludes
