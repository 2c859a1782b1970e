"""What attentive groups cost: training steps of the head with 4 attentive groups against the head without groups, in one run.

Both have the same trunk, batch, margin loss with distance-weighted miner, and 512 numbers; their steps alternate. Peak memory is that of
a process of its own for each, above what it held before the model was built.

    python benchmarks/grouping.py [--trunk resnet50] [--size 224] [--batch 32] [--rounds 7] [--precision bf16]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from typing import Any

import torch

from kinsight.models import ModelSettings, build_embedder
from kinsight.objectives import Objective, ObjectiveSettings

HEADS: dict[str, dict[str, Any]] = {
    "no groups": {"name": "linear", "dim": 512, "pooling": "avg", "bias": False},
    "4 attentive groups": {"name": "attentive", "groups": 4, "dim": 512},
}
CLASSES = 100


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    options = parser.parse_args()
    # First: a process begins with the peak of the one that started it.
    memory = [in_own_process(name, options) for name in HEADS]
    runs = [Steps(head, options) for head in HEADS.values()]
    times = [[run.step() for run in runs] for _ in range(options.rounds + 1)][1:]  # the first warms up
    ratio = statistics.median(attentive / plain for plain, attentive in times)
    plain, attentive = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{options.trunk} at {options.size} pixels, batches of {options.batch}, {options.precision}, "
        f"{torch.get_num_threads()} threads, median of {options.rounds} steps"
    )
    print(f"  no groups            {plain * 1000:8.0f} ms a step")
    print(f"  4 attentive groups   {attentive * 1000:8.0f} ms a step")
    print(f"  ratio                {ratio:8.3f}  (bar: at most 1.05)")
    print(f"peak memory: {memory[0]:.0f} MB and {memory[1]:.0f} MB")
    print(f"  ratio                {memory[1] / memory[0]:8.3f}  (bar: at most 1.10)")


class Steps:
    """A model with its objective and optimizer, and one batch."""

    def __init__(self, head: dict[str, Any], options: argparse.Namespace) -> None:
        settings = ModelSettings(trunk=options.trunk, size=options.size, head=head, frozen_norm="statistics")
        self.model = build_embedder(settings).to(memory_format=torch.channels_last).train()
        grouped = self.model.groups > 1
        self.objective = Objective(
            ObjectiveSettings(
                loss={"name": "margin", "learn_beta": True, "per_class": True},
                miner={"name": "distance-weighted"},
                diversity={"weight": 0.01} if grouped else None,
            ),
            dim=self.model.dim,
            classes=CLASSES,
            kind=self.model.kind,
            parts=self.model.parts,
            normalize=True,
        )
        self.optimizer = torch.optim.Adam([*self.model.parameters(), *self.objective.parameters()], lr=1e-5)
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(options.batch, 3, options.size, options.size, generator=generator)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(options.batch) // 2
        self.bf16 = options.precision == "bf16"

    def step(self) -> float:
        """One step of training; its seconds."""
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            embedding = self.model(self.images)
        loss = self.objective(embedding, self.labels, seed=0).total
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start


def in_own_process(name: str, options: argparse.Namespace) -> float:
    """Peak memory of three steps in MB, above what the process held before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (name, options))


def _peak(name: str, options: argparse.Namespace) -> float:
    before = _most()
    run = Steps(HEADS[name], options)
    for _ in range(3):
        run.step()
    return _most() - before


def _most() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
