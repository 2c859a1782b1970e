"""A made-up diagnosis of two runs on classes they were trained on and on others."""

from __future__ import annotations

import numpy as np

from kinsight.explanation import Pair
from kinsight.explanation.measuring.localization import CENTRE, WHOLE
from kinsight.explanation.measuring.localization_result import Localization, Scores
from kinsight.show.diagnosis.result import Explained, Measured
from show.made_pair import pair

RUNS = ("plain-multi-similarity-512", "with-diversity-and-groups-512")
METHODS = ("decomposition", "decomposition+bias")
COUNT, THRESHOLDS = 24, (0.1, 0.3, 0.5)


def measured(runs: tuple[str, ...] = RUNS) -> list[Measured]:
    """Every run on the train and the test split; what looks at no picture is the same of all."""
    return [
        Measured(run, split, COUNT, _metrics(number), _localization(number))
        for split in ("train", "test")
        for number, run in enumerate(runs)
    ]


def explained() -> list[Explained]:
    """Two pairs, one of a class and one not."""
    return [
        Explained(RUNS, (pair(0), _again(0)), (3.1, -0.4), True, ("auklet", "auklet")),
        Explained(RUNS, (pair(2), _again(2)), (0.2, 2.9), False, ("auklet", "a bird with a rather long name")),
    ]


def _again(seed: int) -> Pair:
    return pair(seed, bias=3.0)


def _metrics(number: int) -> dict[str, float]:
    found: dict[str, float] = {"classes": 6.0}
    for place, key in enumerate(("precision_at_1", "r_precision", "map_at_r")):
        value = 0.6 - 0.15 * place + 0.05 * number
        found |= {key: value, f"{key}_low": value - 0.06, f"{key}_high": value + 0.07}
    return found | {f"effective_dimensions_{share}": share - 80.0 + number for share in (90, 95, 99)}


def _localization(number: int) -> Localization:
    random = np.random.default_rng(number)
    same = np.random.default_rng(99)
    scores = {}
    for method in (*METHODS, WHOLE, CENTRE):
        drawn = same if method in (WHOLE, CENTRE) else random
        energy, peak, mask, mask_peak = drawn.random((4, COUNT))
        scores[method] = Scores(
            drawn.random((COUNT, len(THRESHOLDS))), energy, peak, mask, mask_peak, np.zeros(COUNT, bool)
        )
    return Localization(scores, np.arange(COUNT) // 4, THRESHOLDS, 0.5, 8, "best match")
