"""Which of the measured models stands for a run."""

import pytest

from kinsight.training.checkpoints import Position
from kinsight.training.selection import take, take_start, verdict


def metrics(map_at_r: float) -> dict[str, float]:
    return {"map_at_r": map_at_r, "precision_at_1": map_at_r}


def kept(start: float, trained: list[float], queries: int, *, candidate: bool = True) -> Position:
    position = Position()
    take_start(position, metrics(start), candidate=candidate)
    for step, score in enumerate(trained, start=1):
        position.step = step
        take(position, metrics(score), queries)
    return position


@pytest.mark.parametrize(
    ("start", "trained", "queries", "step"),
    [
        (0.50, [0.55, 0.60], 10, 2),  # a tenth is what one of ten queries can make
        (0.50, [0.55, 0.59], 10, 0),
        (0.50, [0.55, 0.59], 100, 2),
        (0.50, [0.70, 0.65, 0.70], 10, 3),  # of equal trained ones the last
        (0.50, [0.70, 0.71], 10, 2),  # between trained ones every gain counts
        (0.95, [1.00], 10, 1),  # at the top of the scale
        (1.00, [1.00, 1.00], 10, 2),
        (1.00, [0.99], 1000, 0),
    ],
)
def test_the_start_gives_way_to_a_gain_that_can_be_told(
    start: float, trained: list[float], queries: int, step: int
) -> None:
    assert kept(start, trained, queries).best_step == step


def test_a_start_that_is_no_candidate_gives_way_to_anything() -> None:
    position = kept(0.5, [0.2], 10, candidate=False)
    assert (position.best_step, verdict(position, 3).startswith("training did harm")) == (1, True)


def test_the_verdict_says_that_the_start_was_kept() -> None:
    assert verdict(kept(0.5, [0.55], 10), 3).startswith(
        "training did not help: on the 3 validation classes the network as it"
    )
