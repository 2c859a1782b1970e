"""Grouping heads, diversity and grouped losses as their equations say, in plain loops over float64 numbers; slow on purpose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray


def places(feature_map: Array) -> list[Array]:
    """The columns of one map (C, h, w), row by row."""
    _, height, width = feature_map.shape
    return [feature_map[:, y, x] for y in range(height) for x in range(width)]


def pooled(feature_map: Array) -> Array:
    columns = places(feature_map)
    return sum(columns) / len(columns)


def attention(feature_map: Array, keys: Array, queries: Array) -> Array:
    """One map (C, h, w), W_K (K, C), a query a row (P, K) -> weights (P, h w) (equation 7)."""
    weights = []
    for query in queries:
        answers = [math.exp(float(query @ (keys @ column))) for column in places(feature_map)]
        weights.append([answer / sum(answers) for answer in answers])
    return np.array(weights)


def attentive(
    feature_map: Array, keys: Array, queries: Array, values: Array, shared: Array | None = None
) -> list[Array]:
    """A: the groups' vectors of one map, not normalized (equations 5 to 8)."""
    vectors = []
    for weights in attention(feature_map, keys, queries):
        vector = sum(weight * (values @ column) for weight, column in zip(weights, places(feature_map), strict=True))
        vectors.append(vector if shared is None else shared @ vector)
    return vectors


def multi_linear(feature_map: Array, matrix: Array, groups: int) -> list[Array]:
    """M: blocks of matrix (P d, C)."""
    return list((matrix @ pooled(feature_map)).reshape(groups, -1))


def gated(
    feature_map: Array, reduce: tuple[Array, Array], masks: Sequence[tuple[Array, Array]], matrix: Array
) -> list[Array]:
    """G: `reduce` and a mask of each group are (weights, bias) of convolutions; matrix (d, C)."""
    vectors = []
    for weights, bias in masks:
        weighed = [column * (weights @ (reduce[0] @ column + reduce[1]) + bias) for column in places(feature_map)]
        vectors.append(matrix @ (sum(weighed) / len(weighed)))
    return vectors


def channel(feature_map: Array, excitations: Sequence[tuple[Array, Array]], matrix: Array, bias: Array) -> list[Array]:
    """C: an excitation of each group is two matrices (C/r, C) and (C, C/r)."""
    vectors = []
    for first, second in excitations:
        inner = np.array([max(value, 0.0) for value in first @ pooled(feature_map)])
        weights = np.array([1 / (1 + math.exp(-value)) for value in second @ inner])
        vectors.append(matrix @ pooled(np.array(feature_map) * weights[:, None, None]) + bias)
    return vectors


def unit(vector: Array) -> Array:
    return vector / math.sqrt(float((vector * vector).sum()))


def diversity(parts: Array, scale: str, alpha: float = 2.0, mu: float = 0.5, beta0: float = 25.0) -> float:
    """parts (N, P, d): the mean over pictures for each pair of groups; averaged over pairs, or their sum over P - 1."""
    pictures, groups, _ = parts.shape
    pairs = [(i, j) for i in range(groups) for j in range(i + 1, groups)]
    means = []
    for i, j in pairs:
        costs = []
        for n in range(pictures):
            s = float(unit(parts[n, i]) @ unit(parts[n, j]))
            costs.append(math.log(1 + math.exp(alpha * (s - mu) * beta0)))
        means.append(sum(costs) / pictures)
    return sum(means) / (groups - 1 if scale == "code" else len(pairs))


def grouped(parts: Array, labels: Sequence[int], loss: Callable[[Array, Sequence[int]], float]) -> float:
    """The mean of a loss over the groups (equation 14, without diversity)."""
    values = [loss(parts[:, group], labels) for group in range(parts.shape[1])]
    return sum(values) / len(values)


def parameters(kind: str, channels: int, groups: int, dim: int, reduction: int) -> int:
    """The counts of the paper's code; d = dim // groups."""
    d, r = dim // groups, channels // reduction
    return {
        "linear": channels * dim,
        "multi-linear": channels * groups * d,
        "gate": channels * r + r + groups * (r * channels + channels) + channels * d,
        "channel": groups * 2 * channels * r + channels * d + d,
        "attentive": channels * r + channels * d + groups * r,
        "attentive shared": channels * r + channels * d + groups * r + d * d,
    }[kind]
