"""Pairs and searches in plain loops."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kinsight.evaluation.verification import Comparisons


def pairs(vectors: np.ndarray, labels: np.ndarray) -> list[tuple[float, bool]]:
    """The cosine of every pair and whether it is of one class, the most alike first."""
    found = []
    for one, other in combinations(range(len(vectors)), 2):
        a, b = vectors[one], vectors[other]
        found.append((float(a @ b / np.sqrt((a @ a) * (b @ b))), bool(labels[one] == labels[other])))
    return sorted(found, key=lambda each: -each[0])


def _hits(found: Comparisons, query: int) -> list[tuple[float, int]]:
    """What a picture finds: scores and pictures, the most alike first."""
    hits = []
    for score, one, other in zip(found.scores, found.first, found.second, strict=True):
        if query in (one, other):
            hits.append((float(score), int(other if one == query else one)))
    return sorted(hits, key=lambda each: -each[0])


def search(found: Comparisons, threshold: float) -> tuple[float, float]:
    """The shares of pictures with a hit of another class, and with a best hit of their own, that reach the threshold."""
    false, right = [], []
    for query, label in enumerate(found.labels):
        hits = _hits(found, query)
        strange = [score for score, hit in hits if found.labels[hit] != label]
        false.append(max(strange) >= threshold)
        if any(found.labels[hit] == label for _, hit in hits):
            score, best = hits[0]
            right.append(found.labels[best] == label and score >= threshold)
    return float(np.mean(false)), float(np.mean(right))


def search_in_draws(found: Comparisons, threshold: float, gallery: int) -> float:
    """The first of these, in the mean over all galleries of so many of the other pictures."""
    rates = []
    for query, label in enumerate(found.labels):
        reaching = {hit for score, hit in _hits(found, query) if score >= threshold and found.labels[hit] != label}
        others = [each for each in range(len(found.labels)) if each != query]
        rates.append(np.mean([bool(reaching & set(drawn)) for drawn in combinations(others, gallery)]))
    return float(np.mean(rates))


def false_accepts(found: Comparisons, drawn: np.ndarray, threshold: float) -> float:
    """The share of accepted pairs of two classes where each class was drawn so many times."""
    accepted = whole = 0
    for score, one, other in zip(found.scores, found.first, found.second, strict=True):
        a, b = found.labels[one], found.labels[other]
        if a != b:
            times = int(drawn[a] * drawn[b])
            whole += times
            accepted += times * int(score >= threshold)
    return accepted / whole
