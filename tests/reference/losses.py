"""Losses as their equations say, in plain loops over float64 numbers; slow on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray
Triplets = Sequence[tuple[int, int, int]]


def unit(rows: Array) -> Array:
    return np.array([row / np.sqrt((row * row).sum()) for row in np.asarray(rows, dtype=np.float64)])


def cosine(a: Array, b: Array) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def distance(a: Array, b: Array) -> float:
    """Euclidean distance of the two directions."""
    difference = unit([a])[0] - unit([b])[0]
    return float(np.sqrt((difference * difference).sum()))


def snr_distance(anchor: Array, other: Array) -> float:
    """Variance of the difference over the variance of the anchor, of unit vectors."""
    anchor, other = unit([anchor])[0], unit([other])[0]
    return float(np.var(anchor - other, ddof=1) / np.var(anchor, ddof=1))


def positive_pairs(labels: Sequence[int]) -> list[tuple[int, int]]:
    count = range(len(labels))
    return [(i, j) for i in count for j in count if i != j and labels[i] == labels[j]]


def negative_pairs(labels: Sequence[int]) -> list[tuple[int, int]]:
    count = range(len(labels))
    return [(i, j) for i in count for j in count if labels[i] != labels[j]]


def triplets(labels: Sequence[int]) -> list[tuple[int, int, int]]:
    return [(a, p, n) for a, p in positive_pairs(labels) for b, n in negative_pairs(labels) if a == b]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if len(values) else 0.0


def mean_of_non_zero(values: Sequence[float]) -> float:
    return mean([value for value in values if value > 0])


def contrastive(
    x: Array,
    y: Sequence[int],
    pos_margin: float = 0.0,
    neg_margin: float = 1.0,
    measure: Callable[[Array, Array], float] = distance,
) -> float:
    pull = [max(0.0, measure(x[i], x[j]) - pos_margin) for i, j in positive_pairs(y)]
    push = [max(0.0, neg_margin - measure(x[i], x[j])) for i, j in negative_pairs(y)]
    return mean_of_non_zero(pull) + mean_of_non_zero(push)


def snr(x: Array, y: Sequence[int], pos_margin: float = 0.0, neg_margin: float = 1.0) -> float:
    return contrastive(x, y, pos_margin, neg_margin, snr_distance)


def triplet(x: Array, y: Sequence[int], margin: float = 0.2) -> float:
    return mean_of_non_zero([max(0.0, distance(x[a], x[p]) - distance(x[a], x[n]) + margin) for a, p, n in triplets(y)])


def soft_triplet(x: Array, y: Sequence[int]) -> float:
    return mean([np.log(1 + np.exp(distance(x[a], x[p]) - distance(x[a], x[n]))) for a, p, n in triplets(y)])


def weighted_soft_margin(x: Array, y: Sequence[int], alpha: float = 10.0) -> float:
    gaps = [distance(x[a], x[p]) ** 2 - distance(x[a], x[n]) ** 2 for a, p, n in triplets(y)]
    return mean([float(np.log1p(np.exp(alpha * gap))) for gap in gaps])


def info_nce(x: Array, y: Sequence[int], temperature: float = 0.07) -> float:
    """Each positive pair against all negatives of its anchor."""
    found = []
    for anchor, positive in positive_pairs(y):
        others = [negative for first, negative in negative_pairs(y) if first == anchor]
        logits = [cosine(x[anchor], x[each]) / temperature for each in (positive, *others)]
        found.append(_cross_entropy(logits, 0))
    return mean(found)


def margin(
    x: Array,
    y: Sequence[int],
    beta: Sequence[float],
    margin: float = 0.2,
    mined: Triplets | None = None,
) -> float:
    """`beta` has one value per class."""
    total, active = 0.0, 0
    for a, p, n in triplets(y) if mined is None else mined:
        pull = max(0.0, distance(x[a], x[p]) - (beta[y[a]] - margin))
        push = max(0.0, (beta[y[a]] + margin) - distance(x[a], x[n]))
        total += pull + push
        active += (pull > 0) + (push > 0)
    return total / active if active else 0.0


def multi_similarity(
    x: Array, y: Sequence[int], alpha: float = 2.0, beta: float = 40.0, base: float = 0.5, epsilon: float | None = None
) -> float:
    """With `epsilon`, on the pairs that the method's miner keeps."""
    total = 0.0
    for i in range(len(x)):
        positives = [cosine(x[i], x[j]) for j in range(len(x)) if j != i and y[j] == y[i]]
        negatives = [cosine(x[i], x[j]) for j in range(len(x)) if y[j] != y[i]]
        if epsilon is not None:
            if not positives or not negatives:
                continue
            hardest_positive, hardest_negative = min(positives), max(negatives)
            positives = [s for s in positives if s - epsilon < hardest_negative]
            negatives = [s for s in negatives if s + epsilon > hardest_positive]
        total += np.log(1 + sum(np.exp(-alpha * (s - base)) for s in positives)) / alpha
        total += np.log(1 + sum(np.exp(beta * (s - base)) for s in negatives)) / beta
    return total / len(x)


def binomial(
    x: Array,
    y: Sequence[int],
    alpha: float = 2.0,
    m: float = 0.5,
    beta1: float = 1.0,
    beta0: float = 25.0,
    self_pairs: bool = False,
) -> float:
    positives = positive_pairs(y) + ([(i, i) for i in range(len(x))] if self_pairs else [])
    pull = [np.log(1 + np.exp(-alpha * (cosine(x[i], x[j]) - m) * beta1)) for i, j in positives]
    push = [np.log(1 + np.exp(alpha * (cosine(x[i], x[j]) - m) * beta0)) for i, j in negative_pairs(y)]
    return mean(pull) + mean(push)


def n_pairs(x: Array, y: Sequence[int]) -> float:
    """The first pair of every class; each anchor against the positives of all classes, by cosine."""
    firsts = []
    for label in sorted(set(y)):
        members = [i for i in range(len(x)) if y[i] == label]
        if len(members) > 1:
            firsts.append((members[0], members[1]))
    losses = []
    for k, (anchor, _) in enumerate(firsts):
        scores = [cosine(x[anchor], x[positive]) for _, positive in firsts]
        losses.append(-np.log(np.exp(scores[k]) / sum(np.exp(score) for score in scores)))
    return mean(losses)


def proxy_anchor(x: Array, y: Sequence[int], proxies: Array, margin: float = 0.1, alpha: float = 32.0) -> float:
    present, pull, push = set(y), 0.0, 0.0
    for label, proxy in enumerate(proxies):
        own = [cosine(x[i], proxy) for i in range(len(x)) if y[i] == label]
        others = [cosine(x[i], proxy) for i in range(len(x)) if y[i] != label]
        pull += np.log(1 + sum(np.exp(-alpha * (s - margin)) for s in own))
        push += np.log(1 + sum(np.exp(alpha * (s + margin)) for s in others))
    return pull / len(present) + push / len(proxies)


def _cross_entropy(logits: Sequence[float], target: int) -> float:
    top = max(logits)
    return -(logits[target] - top - np.log(sum(np.exp(logit - top) for logit in logits)))


def proxy_nca(x: Array, y: Sequence[int], proxies: Array, scale: float = 10.0) -> float:
    return mean(
        [_cross_entropy([-scale * distance(row, proxy) ** 2 for proxy in proxies], y[i]) for i, row in enumerate(x)]
    )


def norm_softmax(x: Array, y: Sequence[int], weights: Array, temperature: float = 0.05) -> float:
    return mean([_cross_entropy([cosine(row, w) / temperature for w in weights], y[i]) for i, row in enumerate(x)])


def cosface(x: Array, y: Sequence[int], weights: Array, margin: float = 0.35, scale: float = 64.0) -> float:
    losses = []
    for i, row in enumerate(x):
        logits = [scale * (cosine(row, w) - (margin if label == y[i] else 0)) for label, w in enumerate(weights)]
        losses.append(_cross_entropy(logits, y[i]))
    return mean(losses)


def arcface(x: Array, y: Sequence[int], weights: Array, margin: float = 28.6, scale: float = 64.0) -> float:
    """`margin` in degrees; past 180 degrees the usual linear continuation."""
    radians = np.radians(margin)
    losses = []
    for i, row in enumerate(x):
        logits = [cosine(row, w) for w in weights]
        angle = np.arccos(logits[y[i]])
        inside = angle <= np.pi - radians
        logits[y[i]] = np.cos(angle + radians) if inside else np.cos(angle) - radians * np.sin(radians)
        losses.append(_cross_entropy([scale * logit for logit in logits], y[i]))
    return mean(losses)


def soft_triple(
    x: Array, y: Sequence[int], centers: Array, la: float = 20.0, gamma: float = 0.1, margin: float = 0.01
) -> float:
    """`centers` (classes, centers per class, D)."""
    losses = []
    for i, row in enumerate(x):
        logits = []
        for label, own in enumerate(centers):
            scores = [cosine(row, center) for center in own]
            weights = [np.exp(score / gamma) for score in scores]
            relaxed = sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)
            logits.append(la * (relaxed - (margin if label == y[i] else 0)))
        losses.append(_cross_entropy(logits, y[i]))
    return mean(losses)


def fastap(x: Array, y: Sequence[int], num_bins: int = 10) -> float:
    """Average precision from soft histograms of squared distances in [0, 4]."""
    width = 4 / num_bins
    losses = []
    for i in range(len(x)):
        positives = [distance(x[i], x[j]) ** 2 for j in range(len(x)) if j != i and y[j] == y[i]]
        negatives = [distance(x[i], x[j]) ** 2 for j in range(len(x)) if y[j] != y[i]]
        if not positives:
            continue
        precision, seen_positives, seen = 0.0, 0.0, 0.0
        for k in range(num_bins + 1):
            here = sum(max(0.0, 1 - abs(d - k * width) / width) for d in positives)
            seen_positives += here
            seen += here + sum(max(0.0, 1 - abs(d - k * width) / width) for d in negatives)
            if here * seen_positives > 0:
                precision += here * seen_positives / seen
        losses.append(1 - precision / len(positives))
    return mean(losses)
