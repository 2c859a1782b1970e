"""A calibration of made-up embeddings, checked on others."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation import verification
from kinsight.evaluation.verification import Comparisons, compare
from kinsight.runs.calibration import calibration_of
from kinsight.show.calibration.result import Calibrated, Checked


def _clouds(seed: int, spread: float) -> Comparisons:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(12), 5)
    return compare(random.normal(size=(12, 16))[labels] + spread * random.normal(size=(60, 16)), labels)


def made() -> Calibrated:
    """Calibrated on easier classes than those that it is checked on."""
    chosen, other = _clouds(0, 0.5), _clouds(1, 1.2)
    known = calibration_of(chosen, [0.01, 0.1], model="abc", data="/data/birds", data_digest="def", split="validation")
    pairs = verification.accepted_pairs(other, [point.threshold for point in known.pairs])
    search = [verification.found_in_search(other, point.threshold) for point in known.search]
    doubts = ["search: 60 pictures that search are too few to tell a rate of 0.01"]
    return Calibrated(known, chosen, "runs/birds", doubts, Checked("test", 60, 12, pairs, search))
