import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.evaluation.clustering import ami, clustering, f1, kmeans, nmi
from reference import clustering as reference

assignments = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=25)


def separated(classes=12, size=8, width=16):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), size)
    centres = np.linalg.qr(rng.standard_normal((width, width)))[0][:classes]
    return (centres[labels] + 0.01 * rng.standard_normal((len(labels), width))).astype(np.float32), labels


@given(assignments)
def test_f1_equals_counting_all_pairs(pairs):
    labels, clusters = np.array(pairs).T
    if max(np.bincount(labels)) < 2 or max(np.bincount(clusters)) < 2:
        assert f1(labels, clusters) == 0
    else:
        assert f1(labels, clusters) == pytest.approx(reference.f1(labels, clusters))


@pytest.mark.long
@settings(deadline=None, max_examples=40)  # the first call imports
@given(assignments, st.permutations(range(5)))
def test_symmetric_and_blind_to_names(pairs, names):
    """Property 8 of the protocol's facts."""
    labels, clusters = np.array(pairs).T
    for measure in (nmi, ami, f1):
        assert measure(labels, clusters) == pytest.approx(measure(clusters, labels), abs=1e-9)
        assert measure(labels, np.array(names)[clusters]) == pytest.approx(measure(labels, clusters), abs=1e-9)


def test_nmi_is_biased_and_ami_is_not():
    """Property 8 of the protocol's facts."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 10)
    assert nmi(labels, np.arange(200)) > 0.5
    assert ami(labels, np.arange(200)) == pytest.approx(0, abs=1e-6)
    assert np.mean([ami(labels, rng.integers(20, size=200)) for _ in range(20)]) == pytest.approx(0, abs=0.02)


def test_separated_classes_are_found_again():
    vectors, labels = separated(classes=4)
    found = clustering(vectors, labels, seeds=8)
    assert 0.8 < found["nmi"] <= 1
    assert set(found) == {"nmi", "nmi_sd", "ami", "ami_sd", "f1", "f1_sd"}
    perfect = [run for seed in range(8) if nmi(labels, run := kmeans(vectors, 4, seed=seed)) > 1 - 1e-9]
    assert perfect
    assert f1(labels, perfect[0]) == 1


def test_mean_and_sd_are_over_the_seeds():
    vectors, labels = separated()
    runs = [nmi(labels, kmeans(vectors, 12, seed=5 + start)) for start in range(4)]
    found = clustering(vectors, labels, seeds=4, seed=5)
    assert found["nmi"] == pytest.approx(np.mean(runs))
    assert found["nmi_sd"] == pytest.approx(np.std(runs, ddof=1))
    assert len(set(runs)) > 1
    assert clustering(vectors, labels, seeds=1)["nmi_sd"] == 0
    assert found == clustering(vectors, labels, seeds=4, seed=5)
