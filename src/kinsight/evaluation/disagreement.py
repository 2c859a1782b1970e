"""Where two models disagree about which pictures are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours

SAMPLE = 20_000  # pairs from which the scale of a model's similarities is learned


@dataclass(frozen=True)
class Disagreement:
    """A pair of pictures that one model finds more alike than the other does.

    Attributes:
        query, other: rows of the pictures.
        similarities: the cosines of both models.
        standard: the same in standard deviations above the mean over random pairs of that model, which makes them comparable.
    """

    query: int
    other: int
    similarities: tuple[float, float]
    standard: tuple[float, float]


def disagreements(first: np.ndarray, second: np.ndarray, count: int = 6, *, seed: int = 0) -> list[Disagreement]:
    """The pairs that two models judge most differently, the first half found more alike by the first model, the rest by the second.

    Candidates are the best match of every picture under either model, so that nothing is quadratic in the number of pictures. No picture
    is in two of them.

    Args:
        first, second: (N, D) and (N, D'), embeddings of the same N pictures.
        count: how many pairs.
        seed: of the random pairs that the scales are learned from.

    Raises:
        KinsightError: the embeddings are not of the same pictures, or of fewer than two.
    """
    if len(first) != len(second) or len(first) < 2:
        raise KinsightError(
            f"{len(first)} and {len(second)} embeddings cannot be compared; give both models' of the same pictures, at least 2"
        )
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (first, second)]
    matches = [neighbours(vectors, k=1).indices[:, 0] for vectors in (first, second)]
    rows = np.arange(len(first))
    candidates = np.concatenate([np.stack([rows, match], axis=1) for match in matches])  # (2N, 2)
    drawn = np.random.default_rng(seed).integers(len(first), size=(SAMPLE, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    cosines = [_cosines(vectors, candidates) for vectors in unit]
    standard = []
    for vectors, values in zip(unit, cosines, strict=True):
        usual = _cosines(vectors, drawn)
        standard.append((values - usual.mean()) / max(float(usual.std()), 1e-12))
    difference = standard[0] - standard[1]
    chosen: list[int] = []
    seen: set[int] = set()
    for order, wanted in ((np.argsort(-difference), (count + 1) // 2), (np.argsort(difference), count)):
        for number in order:
            pair = set(candidates[number].tolist())
            if len(chosen) < wanted and not pair & seen:
                chosen.append(int(number))
                seen |= pair
    return [
        Disagreement(
            int(candidates[number, 0]),
            int(candidates[number, 1]),
            (float(cosines[0][number]), float(cosines[1][number])),
            (float(standard[0][number]), float(standard[1][number])),
        )
        for number in chosen
    ]


def _cosines(unit: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", unit[pairs[:, 0]], unit[pairs[:, 1]], dtype=np.float64)
