"""What attentive groups cost: training steps of the head with 4 attentive groups against the head without groups, in one run.

Both have the same trunk, batch, margin loss with distance-weighted miner, and 512 numbers; their steps alternate. Peak memory is that of
a process of its own for each, above what it held before the model was built.

    python benchmarks/grouping.py [--trunk resnet50] [--size 224] [--batch 32] [--rounds 7] [--precision bf16]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from typing import Any

from kinsight.objectives import ObjectiveSettings
from training_steps import Steps, print_times, step_options

HEADS: dict[str, dict[str, Any]] = {
    "no groups": {"name": "linear", "dim": 512, "pooling": "avg", "bias": False},
    "4 attentive groups": {"name": "attentive", "groups": 4, "dim": 512},
}


def main() -> None:
    """Print both ratios."""
    options = step_options(__doc__.splitlines()[0]).parse_args()
    # First: a process begins with the peak of the one that started it.
    memory = [in_own_process(name, options) for name in HEADS]
    print_times([*HEADS], [steps_of(name, options) for name in HEADS], options, bar=1.05)
    print(f"peak memory: {memory[0]:.0f} MB and {memory[1]:.0f} MB")
    print(f"  {'ratio':20} {memory[1] / memory[0]:8.3f}  (bar: at most 1.10)")


def steps_of(name: str, options: argparse.Namespace) -> Steps:
    """The steps of one of the heads."""
    objective = ObjectiveSettings(
        loss={"name": "margin", "learn_beta": True, "per_class": True},
        miner={"name": "distance-weighted"},
        diversity={"weight": 0.01} if "groups" in HEADS[name] else None,
    )
    return Steps(HEADS[name], objective, options)


def in_own_process(name: str, options: argparse.Namespace) -> float:
    """Peak memory of three steps in MB, above what the process held before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (name, options))


def _peak(name: str, options: argparse.Namespace) -> float:
    before = _most()
    run = steps_of(name, options)
    for _ in range(3):
        run.step()
    return _most() - before


def _most() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
