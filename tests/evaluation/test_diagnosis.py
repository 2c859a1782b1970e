from itertools import combinations

import numpy as np
import pytest
from scipy.stats import skew

from kinsight.evaluation.diagnosis import (
    class_distances,
    diagnosis,
    effective_dimensions,
    hubness,
    spectrum,
    spectrum_decay,
)


def isotropic(rank, width=20):
    """Plus and minus each of `rank` orthogonal directions: equal variance along all of them."""
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((width, width)))[0][:rank]
    return np.concatenate([directions, -directions]).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 7, 20])
def test_isotropic_rank_is_the_effective_dimensionality(rank):
    variances = spectrum(isotropic(rank) + 3)
    assert effective_dimensions(variances, 1.0) == rank
    assert effective_dimensions(variances, 0.9) == int(np.ceil(0.9 * rank))
    assert spectrum_decay(variances) == pytest.approx(np.log(20 / rank), abs=1e-5)


def test_spectrum_is_the_pca_of_sklearn():
    from sklearn.decomposition import PCA

    vectors = (np.random.default_rng(0).standard_normal((200, 6)) * np.arange(1, 7)).astype(np.float32)
    np.testing.assert_allclose(spectrum(vectors), PCA().fit(vectors).explained_variance_ * 199 / 200, rtol=1e-5)


def test_collapsed_vectors_have_no_dimensions():
    variances = spectrum(np.ones((10, 4), np.float32))
    assert effective_dimensions(variances, 0.9) == 0
    assert spectrum_decay(variances) == pytest.approx(np.log(4))


def test_class_distances_equal_all_pairs():
    rng = np.random.default_rng(0)
    vectors, labels = rng.standard_normal((30, 5)).astype(np.float32), rng.integers(0, 6, 30)
    distances: dict[bool, list[float]] = {True: [], False: []}
    for i, j in combinations(range(30), 2):
        distances[bool(labels[i] == labels[j])].append(float(((vectors[i] - vectors[j]) ** 2).sum()))
    intra, inter = class_distances(vectors, labels)
    assert intra == pytest.approx(np.mean(distances[True]), rel=1e-5)
    assert inter == pytest.approx(np.mean(distances[False]), rel=1e-5)
    assert class_distances(vectors, np.zeros(30))[1] == 0
    assert class_distances(vectors, np.arange(30))[0] == 0


def test_hubness_counts_occurrences():
    found = np.array([[0, 1], [0, 2], [0, 1], [0, 3]])
    skewness, never = hubness(found, 6)
    assert skewness == pytest.approx(skew([4, 2, 1, 1, 0, 0]))
    assert never == pytest.approx(2 / 6)
    assert hubness(np.array([[1], [0]]), 2) == (0.0, 0.0)


def test_hubs_grow_with_the_dimension():
    from kinsight.evaluation import neighbours

    rng = np.random.default_rng(0)
    low, high = (
        hubness(neighbours(rng.standard_normal((400, width)), None, 10, similarity="euclidean").indices, 400)[0]
        for width in (3, 100)
    )
    assert high > low + 1


def test_keys():
    vectors, labels = isotropic(5), np.repeat([0, 1], 5)
    found = diagnosis(vectors, labels, np.zeros((10, 1), int), 10)
    assert found["effective_dimensions_90"] == 5
    assert found["antihubs"] == pytest.approx(0.9)
    assert all(np.isfinite(value) for value in found.values())
