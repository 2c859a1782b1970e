"""Learning rates as a pure function of the step."""

from __future__ import annotations

import math
from bisect import bisect_right

from kinsight.settings.training import ScheduleSettings


def factor(settings: ScheduleSettings, waits: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """What the base rate of a parameter group is multiplied with at a step (from 0).

    The group stands still (0) for `waits` epochs; its rate then rises linearly for `warmup` epochs; the shape
    (constant, cosine to zero, steps) runs over the whole training whatever the warm-up.
    """
    start = waits * steps_per_epoch
    if step < start:
        return 0.0
    rise = settings.warmup * steps_per_epoch
    ramp = min(1.0, (step - start + 1) / rise) if rise > 0 else 1.0
    return ramp * _shape(settings, step, steps_per_epoch, epochs)


def _shape(settings: ScheduleSettings, step: int, steps_per_epoch: int, epochs: int) -> float:
    if settings.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / (steps_per_epoch * epochs)))
    if settings.name == "steps":
        return float(settings.gamma ** bisect_right(sorted(settings.milestones), step // steps_per_epoch))
    return 1.0
