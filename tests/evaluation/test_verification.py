"""Pairs, searches and their error rates against plain loops, and against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from kinsight.errors import KinsightError
from kinsight.evaluation import verification
from kinsight.evaluation.likelihood import Likelihood, fit_likelihood, held_out_error
from kinsight.evaluation.verification import Comparisons, compare, threshold_for
from reference import verification as plain


def clouds(classes: int, each: int, spread: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    return random.normal(size=(classes, 16))[labels] + spread * random.normal(size=(len(labels), 16)), labels


@pytest.fixture(scope="module")
def found() -> Comparisons:
    return compare(*clouds(12, 5))


def test_all_pairs_by_their_cosine() -> None:
    vectors, labels = clouds(3, 4)
    found = compare(vectors, labels.astype(str))
    slow = plain.pairs(vectors, labels)
    assert found.scores == pytest.approx([score for score, _ in slow], abs=1e-6)
    assert found.same.tolist() == [same for _, same in slow]
    assert len(found.genuine) == 18
    assert len(found.impostors) == 48


def test_thresholds_keep_what_they_promise_with_ties() -> None:
    falling = np.array([0.9, 0.8, 0.8, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    for rate in (0.1, 0.2, 0.3, 0.4, 0.55, 0.9):
        threshold = threshold_for(falling, rate)
        assert threshold is not None
        assert (falling >= threshold).mean() <= rate + 1e-9
        lower = falling[falling < threshold].max()
        assert (falling >= lower).mean() > rate + 1e-9  # no lower one would do
    assert threshold_for(falling, 0.09) is None


def test_rates_are_those_of_plain_loops(found: Comparisons) -> None:
    for threshold in (0.2, 0.5, 0.8):
        ((false, true),) = verification.accepted_pairs(found, [threshold])
        assert false.value == pytest.approx((found.impostors >= threshold).mean())
        assert true.value == pytest.approx((found.genuine >= threshold).mean())
        false, right = verification.found_in_search(found, threshold)
        slow = plain.search(found, threshold)
        assert (false.value, right.value) == pytest.approx(slow)


def test_resamples_count_pairs_of_classes_as_plain_loops_do(found: Comparisons) -> None:
    drawn = next(iter(verification._drawn(found, 1, 3)))
    expected = plain.false_accepts(found, drawn, 0.5)
    times = np.stack([drawn])
    verification_shares = verification.accepted_pairs(found, [0.5], seed=3)[0][0]
    assert verification_shares.ends is not None
    one, other = found.labels[found.first], found.labels[found.second]
    weights = (times[0][one] * times[0][other])[~found.same]
    assert (weights * (found.impostors >= 0.5)).sum() / weights.sum() == pytest.approx(expected)


@pytest.mark.long
def test_intervals_hold_the_rate_of_other_classes() -> None:
    truth = compare(*clouds(400, 2, seed=99))
    threshold = 0.4
    true = (truth.impostors >= threshold).mean()
    inside = 0
    for seed in range(40):
        ((false, _),) = verification.accepted_pairs(compare(*clouds(25, 3, seed=seed)), [threshold])
        inside += false.ends is not None and false.ends[0] <= true <= false.ends[1]
    assert inside >= 34


def test_a_smaller_gallery_is_the_mean_over_all_draws() -> None:
    found = compare(*clouds(4, 3, spread=1.0))
    false, _ = verification.found_in_search(found, 0.3, gallery=4)
    assert false.value == pytest.approx(plain.search_in_draws(found, 0.3, 4))
    everything, _ = verification.found_in_search(found, 0.3)
    assert everything.value > false.value


def test_equal_error_of_two_normal_distributions() -> None:
    """Two distributions of equal width, d apart, err equally at the middle between them."""
    random = np.random.default_rng(0)
    count, apart = 4000, 2.0
    scores = np.concatenate([random.normal(apart, 1, count), random.normal(0, 1, count)])
    labels = np.repeat(np.arange(2 * count), 2)
    labels[: 2 * count] = np.repeat(np.arange(count), 2)
    order = np.argsort(-scores)
    # Pair i is of pictures 2 i and 2 i + 1: of one class in the first half, of two in the second.
    labels[2 * count :] = count + np.arange(2 * count)
    first = 2 * np.arange(2 * count)
    found = Comparisons(scores[order], first[order], first[order] + 1, labels)
    rate = verification._equal(*verification._shares_down_to(found, np.ones(len(scores))))
    assert rate == pytest.approx(norm.cdf(-apart / 2), abs=0.01)


def test_ten_folds() -> None:
    accuracy = verification.ten_fold_accuracy(compare(*clouds(40, 4, spread=0.01)))
    assert accuracy is not None
    assert accuracy.value == 1
    middling = verification.ten_fold_accuracy(compare(*clouds(40, 4, spread=1.5)))
    assert middling is not None
    assert 0.55 < middling.value < 0.95
    assert middling.ends is not None
    assert verification.ten_fold_accuracy(compare(*clouds(8, 4))) is None


def test_the_likelihood_of_known_curves() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(-1, 1, 40_000)
    true = Likelihood(6.0, -1.5)
    same = random.random(len(scores)) < true.probability(scores)
    even = fit_likelihood(scores, same)
    shift = np.log(same.sum() / (~same).sum())  # the curve is for even odds
    assert even.slope == pytest.approx(6.0, abs=0.2)
    assert even.intercept + shift == pytest.approx(-1.5, abs=0.1)
    assert true.probability(0.25, prior=0.2) == pytest.approx(0.2)
    assert np.isfinite(true.probability(np.array([-1e6, 1e6]))).all()
    with pytest.raises(KinsightError, match="prior is 1"):
        true.probability(0.5, prior=1)


def test_the_probability_is_near_the_truth_on_other_classes() -> None:
    error = held_out_error(compare(*clouds(40, 5, spread=1.0)))
    assert error is not None
    assert error < 0.1
    assert held_out_error(compare(*clouds(2, 3))) is None


def test_pairs_of_one_kind_are_refused() -> None:
    with pytest.raises(KinsightError, match="2 pictures of 2 classes do not give both"):
        compare(np.eye(2), np.array([0, 1]))
    with pytest.raises(KinsightError, match="3 pictures of 1 classes"):
        compare(np.eye(3), np.zeros(3))
