"""Training steps of a model with its objective on one batch, for benchmarks that hold one head against another in one run."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from kinsight.models import ModelSettings, build_embedder
from kinsight.objectives import Objective, ObjectiveSettings

CLASSES = 100


def step_options(description: str) -> argparse.ArgumentParser:
    """The options of such a benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--trunk", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    return parser


class Steps:
    """A model with its objective and optimizer, and one batch."""

    def __init__(self, head: dict[str, Any], objective: ObjectiveSettings, options: argparse.Namespace) -> None:
        settings = ModelSettings(trunk=options.trunk, size=options.size, head=head, frozen_norm="statistics")
        self.model = build_embedder(settings).to(memory_format=torch.channels_last).train()
        self.objective = Objective(
            objective,
            dim=self.model.dim,
            classes=CLASSES,
            kind=self.model.kind,
            parts=self.model.parts,
            normalize=True,
            brings=[self.model.terms],
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


def print_times(names: Sequence[str], runs: Sequence[Steps], options: argparse.Namespace, bar: float) -> None:
    """Let the steps of two runs alternate, and print their times and the ratio."""
    times = [[run.step() for run in runs] for _ in range(options.rounds + 1)][1:]  # the first warms up
    ratio = statistics.median(other / plain for plain, other in times)
    print(
        f"{options.trunk} at {options.size} pixels, batches of {options.batch}, {options.precision}, "
        f"{torch.get_num_threads()} threads, median of {options.rounds} steps"
    )
    for name, column in zip(names, zip(*times, strict=True), strict=True):
        print(f"  {name:20} {statistics.median(column) * 1000:8.0f} ms a step")
    print(f"  {'ratio':20} {ratio:8.3f}  (bar: at most {bar:.2f})")
