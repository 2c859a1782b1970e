"""Learning rates as a pure function of the step."""

from __future__ import annotations

import math
from bisect import bisect_right

from kinsight.settings.training import ScheduleSettings, TrainingSettings


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


def extension(settings: TrainingSettings, epoch: int, step: int, steps_per_epoch: int) -> str:
    """What happens to the rates of a training that had ended at an epoch and is given more of them, as a sentence."""
    rate = factor(settings.schedule, 0.0, step, steps_per_epoch, settings.epochs)
    return (
        f"extended from {epoch} to {settings.epochs} epochs: the {settings.schedule.name} schedule spans them all, so rates go on "
        f"at {rate:.0%} of the whole; the numbers are those of a training in two parts"
    )
