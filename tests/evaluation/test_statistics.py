import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.evaluation import bootstrap, paired_difference, t_interval


def test_t_interval_is_student_s():
    """Property 10 of the protocol's facts."""
    values = np.array([1.0, 2.0, 4.0, 5.0])
    interval = t_interval(values)
    # t(.975, 3) = 3.182446 from the table; sd / sqrt(n) by hand.
    half = 3.182446305 * np.sqrt(10 / 3) / 2
    assert interval.value == 3
    assert interval.high - 3 == pytest.approx(half)
    assert 3 - interval.low == pytest.approx(half)


def test_paired_difference_sees_what_pairs_share():
    rng = np.random.default_rng(0)
    shared = 10 * rng.standard_normal(8)
    a, b = shared + 1 + 0.01 * rng.standard_normal(8), shared
    interval = paired_difference(a, b)
    assert 0.9 < interval.low < 1 < interval.high + 0.05
    assert interval.high - interval.low < 0.1
    assert interval == t_interval(a - b)


@pytest.mark.long
def test_bootstrap_equals_a_plain_two_stage_loop_in_distribution():
    rng = np.random.default_rng(1)
    sizes = [2, 3, 10, 4, 6, 5]
    classes = np.repeat(np.arange(6), sizes)
    values = rng.random(len(classes)) + 0.3 * classes
    means = []
    for _ in range(3000):
        drawn = [rng.choice(values[classes == label], sizes[label]) for label in rng.integers(6, size=6)]
        means.append(np.concatenate(drawn).mean())
    low, high = bootstrap(values, classes, resamples=3000)
    spread = np.std(means)
    assert low == pytest.approx(np.quantile(means, 0.025), abs=0.12 * spread)
    assert high == pytest.approx(np.quantile(means, 0.975), abs=0.12 * spread)


def test_bootstrap_is_deterministic_and_takes_many_metrics_in_any_order_of_queries():
    rng = np.random.default_rng(0)
    values, classes = rng.random((60, 3)), np.repeat(np.arange(12), 5)
    low, high = bootstrap(values, classes, resamples=200, seed=3)
    assert low.shape == high.shape == (3,)
    again = bootstrap(values[:, 1], classes, resamples=200, seed=3)
    np.testing.assert_allclose((low[1], high[1]), again, rtol=1e-12)
    assert (low < values.mean(axis=0)).all()
    assert (values.mean(axis=0) < high).all()
    assert bootstrap(values[:, 0], classes, resamples=200, seed=4)[0] != low[0]
    named = bootstrap(values[:, 1], np.array([f"class {label:02}" for label in classes]), resamples=200, seed=3)
    assert named == again


def test_equal_values_have_no_interval_and_one_class_varies_within():
    assert bootstrap(np.full(10, 0.5), np.arange(10), resamples=50) == (0.5, 0.5)
    low, high = bootstrap(np.arange(10.0), np.zeros(10), resamples=200)
    assert low < 4.5 < high


@pytest.mark.long
def test_intervals_cover_the_truth_where_classes_differ():
    rng = np.random.default_rng(0)
    hits, naive = 0, 0
    for trial in range(150):
        easiness = np.repeat(rng.normal(0, 1, 40), 8)
        values = easiness + rng.normal(0, 0.5, 320)
        low, high = bootstrap(values, np.repeat(np.arange(40), 8), resamples=200, seed=trial)
        hits += bool(low <= 0 <= high)
        naive += bool(abs(values.mean()) <= 1.96 * values.std() / np.sqrt(320))
    assert 0.89 <= hits / 150 <= 1
    assert naive / 150 < 0.75  # what ignoring the classes would give


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t_interval(np.array([1.0])), "at least 2 runs"),
        (lambda: paired_difference(np.ones(3), np.ones(4)), "cannot be paired"),
        (lambda: bootstrap(np.ones(3), np.ones(4)), "3 values and 4 classes"),
        (lambda: bootstrap(np.ones(0), np.ones(0)), "0 values"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(KinsightError, match=message):
        call()
