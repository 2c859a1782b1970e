"""Learning rates by hand."""

from __future__ import annotations

import math

import pytest

from kinsight.settings.training import ScheduleSettings
from kinsight.training.schedules import factor


def factors(
    settings: ScheduleSettings, steps: int, steps_per_epoch: int = 4, epochs: int = 2, waits: float = 0.0
) -> list[float]:
    return [factor(settings, waits, step, steps_per_epoch, epochs) for step in range(steps)]


def test_constant() -> None:
    assert factors(ScheduleSettings("constant"), 3) == [1.0, 1.0, 1.0]


def test_cosine_runs_from_one_towards_zero_over_the_whole_run() -> None:
    found = factors(ScheduleSettings("cosine"), 8)
    assert found == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])
    assert found[0] == 1.0
    assert found[4] == pytest.approx(0.5)


def test_steps_multiply_at_the_beginning_of_the_milestone_epochs() -> None:
    settings = ScheduleSettings("steps", milestones=[3, 1], gamma=0.5)
    assert factors(settings, 8, steps_per_epoch=2, epochs=4) == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_warmup_rises_in_equal_steps_to_the_full_rate() -> None:
    settings = ScheduleSettings("constant", warmup=0.5)
    assert factors(settings, 4, steps_per_epoch=8) == [0.25, 0.5, 0.75, 1.0]


def test_a_group_that_waits_stands_still_first_and_warms_up_afterwards() -> None:
    settings = ScheduleSettings("constant", warmup=0.5)
    assert factors(settings, 8, waits=1) == [0, 0, 0, 0, 0.5, 1, 1, 1]
    assert factors(settings, 8) == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_fractions_of_an_epoch() -> None:
    assert factors(ScheduleSettings("constant"), 4, waits=0.5) == [0, 0, 1, 1]


def test_the_cosine_of_a_group_does_not_wait_for_it() -> None:
    settings = ScheduleSettings("cosine")
    assert factor(settings, 1, 6, 4, 2) == factor(settings, 0, 6, 4, 2)
