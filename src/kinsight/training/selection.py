"""Which step's model stands for a run, and what a person is told of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinsight.runs.protocol import LAST_STEP
from kinsight.training.checkpoints import Position
from kinsight.training.validation import CHOSEN_BY, is_better

ONE_CLASS = (
    "there is one validation class only, on which every model scores 100 %, so the last step is kept: lower --data.folds, or give more "
    "classes, to choose the best checkpoint"
)


def take_start(position: Position, metrics: Mapping[str, float], *, candidate: bool, fitted: bool = False) -> bool:
    """Note what the network scores before its first step, or with its head `fitted` then; whether it is the model of the run so far."""
    if not fitted:
        position.start = dict(metrics)
    if candidate:
        position.best, position.best_step, position.chosen = metrics[CHOSEN_BY], position.step, dict(metrics)
    return candidate


def take(position: Position, metrics: Mapping[str, float], queries: int) -> bool:
    """Note a validation with so many queries; whether its model is the best so far.

    Of equal trained models the last is the best: it has seen the most.
    A trained model takes the place of the start only by a gain that a single query could not make alone (1 / queries), or at the top of
    the scale: few pictures cannot tell less, and what cannot be told is not worth leaving the start for. Patience counts trained models
    only, so that whether the start is a candidate moves no other number.
    """
    score = metrics[CHOSEN_BY]
    if is_better(score, position.best_trained):
        position.best_trained, position.since_best = score, 0
    else:
        position.since_best += 1
    chosen = not is_better(_needed(position, queries), score)
    if chosen:
        position.best, position.best_step, position.chosen = score, position.step, dict(metrics)
    return chosen


def _needed(position: Position, queries: int) -> float:
    """What the next model has to score to stand for the run."""
    if position.best is None:
        return 0.0
    return position.best if position.best_step else min(1.0, position.best + 1 / queries)


def selection_of(position: Position) -> dict[str, Any]:
    """The choice as `protocol.json` keeps it (`Selection`)."""
    if position.best is None:
        return {"by": LAST_STEP, "step": position.step}
    start = position.start.get(CHOSEN_BY)
    return {"by": CHOSEN_BY, "step": position.best_step, "value": position.best, "start": start}


def verdict(position: Position, classes: int) -> str:
    """One sentence: whether training helped on the validation classes, and whose model is kept."""
    if position.best is None:
        return "no validation classes were held out, so nothing here says whether training helped; the last step is the model"
    where = f"on the {classes} validation classes" if classes > 1 else "on the validation class"
    if not position.start:
        return f"best {where}: {numbers(position.chosen)} at step {position.best_step}"
    before, after = numbers(position.start), numbers(position.chosen)
    if position.best_step == 0 and is_better(position.chosen[CHOSEN_BY], position.start[CHOSEN_BY]):
        return f"fitting the head helped, the steps after it did not: {where} {after} with the head fitted, {before} at the start"
    if position.best_step == 0:
        return (
            f"training did not help: {where} the network as it started has {before}, and no trained step has more than a single query "
            "could make, so the model is the network as it started (--keep_start false keeps the best trained one)"
        )
    if position.best == position.start[CHOSEN_BY]:
        return f"the validation cannot tell whether training helped: {where} the start and step {position.best_step} both have {after}"
    helped = (
        "training helped" if is_better(position.chosen[CHOSEN_BY], position.start[CHOSEN_BY]) else "training did harm"
    )
    return f"{helped}: {where} {after} at step {position.best_step}, {before} at the start"


def numbers(metrics: Mapping[str, float]) -> str:
    """MAP@R and P@1 in words."""
    return f"MAP@R {metrics[CHOSEN_BY]:.4f} and P@1 {metrics['precision_at_1']:.4f}"
