"""Coordinated local metric learning in plain loops over float64 numbers; slow on purpose."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def assignment(projected: Array, head: Mapping[str, Array]) -> Array:
    """p(k | z) of one vector z (d,), (K,): Bayes' rule with densities of one number after the other."""
    joint = []
    for prior, mean, precision in zip(head["priors"], head["means"], head["precisions"], strict=True):
        density = prior
        for value, middle, narrow in zip(projected, mean, precision, strict=True):
            density *= math.sqrt(narrow / (2 * math.pi)) * math.exp(-((value - middle) ** 2) * narrow / 2)
        joint.append(density)
    return np.array(joint) / sum(joint)


def embedding(feature_map: Array, head: Mapping[str, Array]) -> Array:
    """The embedding of one map (C, h, w) with average pooling, (D,)."""
    pooled = np.array([channel.mean() for channel in feature_map])
    projected = np.array([direction @ (pooled - head["centre"]) for direction in head["directions"]])
    found = np.zeros(len(head["biases"][0]))
    for share, matrix, bias in zip(assignment(projected, head), head["projections"], head["biases"], strict=True):
        found += share * (matrix @ projected + bias)
    return found


def principal_plane(vectors: Array, count: int) -> Array:
    """The leading eigenvectors of the covariance of vectors (N, C) as a projection matrix (C, C): V^T V."""
    covariance = np.cov(vectors.T)
    _, directions = np.linalg.eigh(covariance)
    leading = directions[:, -count:]
    return leading @ leading.T
