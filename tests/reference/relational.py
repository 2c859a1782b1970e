"""The relational head as its equations say, for one picture, in plain loops over float64 numbers; slow on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Layer = tuple[Array, Array]  # weights (out, in) and bias (out,)


@dataclass
class Branch:
    """What one branch has learned: W, U, V and D with their biases."""

    encoder: Layer
    source: Layer
    target: Layer
    decoder: Layer


@dataclass
class Found:
    """h (K, d), p (K, K) with the source first, z (K, d), and r (K,)."""

    nodes: Array
    weights: Array
    related: Array
    costs: Array


def linear(layer: Layer, values: Array) -> Array:
    return layer[0] @ values + layer[1]


def relational(given: Sequence[Array], branches: Sequence[Branch], scorer: Layer, update: Layer) -> Found:
    """What the branches are given of one picture -> all that equations (1) to (9) name."""
    count = len(branches)
    nodes = []
    for one, values in zip(branches, given, strict=True):
        node = linear(one.encoder, values)
        nodes.append(node / np.sqrt(sum(float(number) ** 2 for number in node)))
    scores = np.zeros((count, count))
    for i, source in enumerate(branches):
        for j, target in enumerate(branches):
            difference = linear(source.source, given[i]) - linear(target.target, given[j])
            scores[i, j] = max(float(linear(scorer, difference)[0]), 0.0)
    weights = np.zeros((count, count))
    for j in range(count):
        total = sum(scores[i, j] for i in range(count))
        for i in range(count):
            weights[i, j] = scores[i, j] / max(total, 1e-12)
    related = []
    for j in range(count):
        message = sum(weights[i, j] * nodes[i] for i in range(count))
        related.append(linear(update, np.concatenate([nodes[j], message])))
    costs = []
    for one, node, values in zip(branches, nodes, given, strict=True):
        errors = [(float(a) - float(b)) ** 2 for a, b in zip(values, linear(one.decoder, node), strict=True)]
        costs.append(sum(errors) / len(errors))
    return Found(np.array(nodes), weights, np.array(related), np.array(costs))


def assigned(costs: Array) -> int:
    """The branch of the least cost, the first of several."""
    best = 0
    for number, cost in enumerate(costs):
        if cost < costs[best]:
            best = number
    return best
