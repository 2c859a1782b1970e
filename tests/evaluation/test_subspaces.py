"""The state of an embedding space, against distances taken one by one."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation.subspaces import state_of


def test_one_copy_in_another_class_does_not_decide_how_near_positives_are() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 5)
    vectors = random.standard_normal((8, 16)).astype(np.float32)[labels]
    vectors += 0.3 * random.standard_normal(vectors.shape).astype(np.float32)
    vectors[39] = vectors[0] + 1e-2  # a picture of class 0, filed under class 7
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    distances = np.linalg.norm(vectors[:, None].astype(float) - vectors, axis=2)
    ratios = []
    for row in range(len(labels)):
        same, others = labels == labels[row], np.arange(len(labels)) != row
        ratios.append(distances[row, same & others].min() / distances[row, ~same].min())

    found = state_of(vectors, labels).positive_over_negative
    assert np.isclose(found, np.median(ratios), rtol=1e-3)
    assert found < 1 < 2 < np.mean(ratios)
