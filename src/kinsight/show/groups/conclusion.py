"""What to take from a head's groups, in a few sentences: where they look, whether they differ, what they are worth together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsight.evaluation.estimate import DECIMALS, PERCENT
from kinsight.show.groups.result import GroupsResult

EVERYWHERE = 0.75  # of the places over which attention spreads: more is no choice
SAME, DIFFERENT = 2 / 3, 1 / 3  # of what two groups look at that they share


def conclusion(found: GroupsResult) -> list[str]:
    """The answer first, then what it rests on."""
    said = (_difference(found), _everywhere(found), _parts(found), _together(found), _told(found))
    return [sentence for sentence in said if sentence]


def spread(looks: np.ndarray) -> np.ndarray:
    """Over which share of the places attention (..., h, w) spreads: 1 where it is even, 1 / (h w) where it is all at one place. (...)

    The exponential of the entropy, as a share of the number of places.
    """
    flat = np.maximum(looks, 0).reshape(*looks.shape[:-2], -1).astype(np.float64)
    total = flat.sum(-1, keepdims=True)
    shares = flat / np.where(total > 0, total, 1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(-1)
    return np.exp(entropy) / flat.shape[-1]


def even_groups(found: GroupsResult) -> list[int]:
    """The groups whose attention spreads over nearly all of the picture; none where the head has no attention."""
    if found.groups.kind != "attention":
        return []
    means = spread(found.groups.looks).mean(0)  # (P,)
    return np.flatnonzero(means > EVERYWHERE).tolist()


def _difference(found: GroupsResult) -> str:
    count = found.groups.count
    if len(even_groups(found)) == count:
        return "The groups look everywhere: none of them chooses a place."
    shared = float(np.mean([found.mean_overlap(one) for one in range(count)]))
    figures = (
        f"two groups share {PERCENT(shared)} % of what they look at, the cosine of their embeddings is {_cosine(found)}"
    )
    if shared > SAME:
        return f"The groups look at the same places: {figures}."
    if shared < DIFFERENT:
        return f"The groups look at different places: {figures}."
    return f"The groups look at partly the same places: {figures}."


def _cosine(found: GroupsResult) -> str:
    return DECIMALS(float(np.mean([found.mean_similarity(one) for one in range(found.groups.count)])), signed=True)


def _everywhere(found: GroupsResult) -> str:
    even = even_groups(found)
    if not even:
        return ""
    means = spread(found.groups.looks).mean(0)[even]
    shares = f"{PERCENT(means.min())} to {PERCENT(means.max())}" if len(even) > 1 else PERCENT(means[0])
    return f"{_named(even)} attend{'s' if len(even) == 1 else ''} nearly everywhere: to {shares} % of the picture."


def _parts(found: GroupsResult) -> str:
    if isinstance(found.parts, str):
        return ""
    falls = []
    for number in range(found.groups.count):
        favourite = found.favourite(number)
        assert favourite is not None
        falls.append(f"group {number} on {favourite[0]} ({PERCENT(favourite[1])} %)")
    distinct = found.distinct().get(2)
    less = f"; on two parts or more in {PERCENT(distinct.value)} % of the pictures" if distinct else ""
    return f"They fall most often: {', '.join(falls)}{less}."


def _together(found: GroupsResult) -> str:
    alone = [metrics["recall_at_1"] for metrics in found.alone]
    best = int(np.argmax(alone))
    return (
        f"Together they find {PERCENT(found.whole['recall_at_1'])} % at the first place (R@1), the best alone, group {best}, "
        f"{PERCENT(alone[best])} %."
    )


def _told(found: GroupsResult) -> str:
    """How much of what the groups hear is of others, and who speaks most."""
    if found.groups.relations is None:
        return ""
    mean = found.groups.relations.mean(0)  # (P, P), the source first
    heard, own = mean.sum(), np.trace(mean)
    if not heard > 0:
        return "The groups tell each other nothing: the scores of their relations are 0 in every picture, so that these no longer learn."
    of_others = (mean.sum(1) - mean.diagonal()) / heard
    return (
        f"Of what a group is told about a picture, {PERCENT(1 - own / heard)} % comes from other groups, most of it "
        f"({PERCENT(of_others.max())} %) from group {int(of_others.argmax())}."
    )


def _named(groups: Sequence[int]) -> str:
    names = [str(number) for number in groups]
    return f"Group {names[0]}" if len(names) == 1 else f"Groups {', '.join(names[:-1])} and {names[-1]}"
