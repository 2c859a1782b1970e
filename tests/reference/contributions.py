"""Explanations of pairs one number at a time: equation 3 with explicit matrices, and the gradient maps by their formulas.

Numbers of equations are those of "Visual Explanation for Deep Metric Learning"; everything is float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from kinsight.models import LinearHead
from kinsight.models.pooling import GeneralisedMean


def matrices(head: LinearHead, feature_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W_ij and B of equation 3 for one picture: (C, h, w) -> (h, w, D, C) and (D,).

    The masks of max pooling, shared evenly among ties, and of ReLUs are those of this picture; batch norm is folded with its eps.
    """
    pooling, layers = type(head.pooling).__name__, list(head.layers)
    channels, height, width = feature_map.shape
    length = channels * height * width if pooling == "Flatten" else channels
    W = np.zeros((height, width, length, channels))
    B = np.zeros(length)
    for k in range(channels):
        values = feature_map[k].astype(np.float64)
        tied = [(i, j) for i in range(height) for j in range(width) if values[i, j] == values.max()]
        for i in range(height):
            for j in range(width):
                if pooling == "Flatten":
                    W[i, j, (k * height + i) * width + j, k] = 1
                if pooling in ("Average", "AverageAndMaximum"):
                    W[i, j, k, k] += 1 / (height * width)
                if pooling in ("Maximum", "AverageAndMaximum") and (i, j) in tied:
                    W[i, j, k, k] += 1 / len(tied)
        if isinstance(head.pooling, GeneralisedMean):
            weights = generalised_mean_weights(values, head.pooling.power.item(), head.pooling.eps)
            for i in range(height):
                for j in range(width):
                    if values[i, j] < head.pooling.eps:
                        B[k] += weights[i, j] * head.pooling.eps
                    else:
                        W[i, j, k, k] = weights[i, j]
    for layer in layers:
        W, B = _after(layer, W, B, feature_map)
    return W, B


def generalised_mean_weights(values: np.ndarray, power: float, eps: float) -> np.ndarray:
    """The derivative of ((1/hw) sum x^p)^(1/p) with respect to each x: (h, w) -> (h, w)."""
    floored = np.maximum(values, eps)
    mean = (floored**power).mean()
    return floored ** (power - 1) * mean ** (1 / power - 1) / values.size


def _after(layer: nn.Module, W: np.ndarray, B: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(layer, nn.Linear):
        matrix = layer.weight.detach().double().numpy()
        shift = np.zeros(len(matrix)) if layer.bias is None else layer.bias.detach().double().numpy()
        return matrix @ W, matrix @ B + shift
    if isinstance(layer, nn.BatchNorm1d):
        gain, shift, mean, variance = (
            each.detach().double().numpy()  # type: ignore[union-attr]
            for each in (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        )
        scale = gain / np.sqrt(variance + layer.eps)
        return scale[:, None] * W, scale * (B - mean) + shift
    if isinstance(layer, nn.ReLU):
        mask = (split(W, A).sum((0, 1)) + B > 0).astype(np.float64)
        return mask[:, None] * W, mask * B
    raise TypeError(type(layer).__name__)


def split(W: np.ndarray, feature_map: np.ndarray) -> np.ndarray:
    """W_ij A_ij for one picture: (h, w, D, C) and (C, h, w) -> (h, w, D)."""
    height, width = W.shape[:2]
    places = np.zeros(W.shape[:3])
    for i in range(height):
        for j in range(width):
            places[i, j] = W[i, j] @ feature_map[:, i, j].astype(np.float64)
    return places


def one_at_a_time(answer: Callable[[np.ndarray], np.ndarray], feature_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places and the bias of an affine map, asked for one place after the other: (N, C, h, w) -> (N, h, w, D), (N, D)."""
    bias = answer(np.zeros_like(feature_map))
    places = np.zeros((len(feature_map), *feature_map.shape[2:], bias.shape[1]))
    for i in range(feature_map.shape[2]):
        for j in range(feature_map.shape[3]):
            alone = np.zeros_like(feature_map)
            alone[:, :, i, j] = feature_map[:, :, i, j]
            places[:, i, j] = answer(alone) - bias
    return places, bias


def nudged(answer: Callable[[np.ndarray], np.ndarray], feature_map: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The places of a head of linear pieces, each made a little stronger and weaker: (N, C, h, w) -> (N, h, w, D)."""
    places = []
    for i in range(feature_map.shape[2]):
        for j in range(feature_map.shape[3]):
            change = np.zeros_like(feature_map)
            change[:, :, i, j] = step * feature_map[:, :, i, j]
            places.append((answer(feature_map + change) - answer(feature_map - change)) / (2 * step))
    grid = feature_map.shape[2:]
    return np.stack(places, 1).reshape(len(feature_map), *grid, -1)


def point_to_point(query: np.ndarray, other: np.ndarray, norms: float) -> np.ndarray:
    """Term 1 of equation 3, one product at a time: (h, w, D), (h', w', D) -> (h, w, h', w')."""
    tensor = np.zeros((*query.shape[:2], *other.shape[:2]))
    for i in range(query.shape[0]):
        for j in range(query.shape[1]):
            for x in range(other.shape[0]):
                for y in range(other.shape[1]):
                    tensor[i, j, x, y] = sum(a * b for a, b in zip(query[i, j], other[x, y], strict=True)) / norms
    return tensor


def jacobian_of_normalisation(embedding: np.ndarray) -> np.ndarray:
    """Equation 13: d(E/|E|)/dE, (D, D)."""
    length = np.sqrt((embedding**2).sum())
    return np.array(
        [
            [((a == b) - embedding[a] * embedding[b] / length**2) / length for b in range(len(embedding))]
            for a in range(len(embedding))
        ]
    )


def class_grad_cam(W: np.ndarray, feature_map: np.ndarray, number: int) -> np.ndarray:
    """Equation 4: sum_k A_ijk mean_i'j' W_i'j'k,c for the output `number`, (h, w)."""
    mean = W.mean((0, 1))[number]  # (C,)
    return np.array([[feature_map[:, i, j] @ mean for j in range(W.shape[1])] for i in range(W.shape[0])])


def cosine_grad_cam(W: np.ndarray, B: np.ndarray, feature_map: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Equation 5 for one picture, whose partner has the embedding `other`; the gradient is of the cosine, (h, w)."""
    embedding = split(W, feature_map).sum((0, 1)) + B
    target = jacobian_of_normalisation(embedding) @ (other / np.sqrt((other**2).sum()))  # (D,)
    mean = W.mean((0, 1))  # (D, C)
    return np.array([[target @ mean @ feature_map[:, i, j] for j in range(W.shape[1])] for i in range(W.shape[0])])


def cosine_gradient_times_activation(
    W: np.ndarray, B: np.ndarray, feature_map: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Equations 10 to 12: A_ij . W_ij^T J^T E_r / |E_r|, (h, w)."""
    embedding = split(W, feature_map).sum((0, 1)) + B
    target = jacobian_of_normalisation(embedding).T @ (other / np.sqrt((other**2).sum()))
    return split(W, feature_map) @ target
