"""What division costs: an epoch with 32 subspaces, renewed every second epoch, against the plain one, with fresh and running features.

Same model, data, precision and steps. Single steps of the three follow each other in turn, so that whatever else the machine does hits all
of them, and the median step counts. A divided period of two epochs has one re-clustering; with fresh features that embeds all training
pictures. A small cluster does not always fill a batch to the last picture, so that seconds are those of a picture. Processor seconds stand
beside those of the clock: other load disturbs them less. Then the clustering alone, of 60,000 vectors of 512 numbers into 32. Under three
minutes on two cores that nobody else uses.

    OMP_NUM_THREADS=1 python benchmarks/division.py [--trunk resnet18] [--size 64] [--classes 100] [--per-class 4] [--rounds 2]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinsight.data import write_scenes
from kinsight.evaluation.clustering import kmeans
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table

EVERY = 2
BARS = {"fresh": 1.25, "running": 1.05}


def main() -> None:
    """Print the ratios and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--per-class", type=int, default=4)
    parser.add_argument("--batch", type=int, default=80)
    parser.add_argument("--subspaces", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--points", type=int, default=60_000)
    options = parser.parse_args()
    logging.getLogger("kinsight").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        data = write_scenes(
            Path(folder) / "scenes", classes=options.classes, per_class=options.per_class, size=options.size
        )
        trainings = {"plain": prepared(options, data, Path(folder) / "plain", {"name": "plain"})}
        plain = trainings["plain"]
        print(
            f"{options.trunk} at {options.size} pixels, {len(plain.labels):,} pictures, batches of {options.batch}, fp32, "
            f"{torch.get_num_threads()} threads on {plain.device.type}"
        )
        for features in BARS:
            method = {
                "name": "division", "subspaces": options.subspaces, "every": EVERY, "progressive": False, "features": features,
            }  # fmt: skip
            trainings[features] = prepared(options, data, Path(folder) / features, method)
        for training in trainings.values():
            training.method.advance(0)
        measured = {name: Measured() for name in trainings}
        for number in range(options.rounds):
            one_period(trainings, measured, number)
        for features, bar in BARS.items():
            show(features, bar, measured, len(plain.labels))
    vectors = np.random.default_rng(0).normal(size=(options.points, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.perf_counter()
    kmeans(vectors, options.subspaces, iterations=100)
    print(f"clustering {options.points:,} x 512 into {options.subspaces}: {time.perf_counter() - started:.1f} s")


def prepared(options: argparse.Namespace, data: Path, out: Path, method: dict[str, Any]) -> Training:
    """A training that is ready to run epochs."""
    settings = settings_from(
        {
            "data": {"path": str(data), "fold": None, "split": "all", "workers": 0},
            "model": {
                "trunk": options.trunk,
                "size": options.size,
                "resize": options.size,
                "head": {"name": "linear", "dim": 512},
            },
            "objective": {"loss": {"name": "margin"}, "miner": {"name": "distance-weighted"}},
            "batches": {"size": options.batch, "per_class": 2},
            "precision": "fp32",
            "method": method,
        }
    )
    run = RunFolder(out)
    run.claim(settings)
    return Training(settings, run, prepare_table(settings.data), progress=False)


@dataclass
class Measured:
    """(By the clock, of the processor) seconds of every division, and of every step for each of its pictures; what divisions said."""

    divisions: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)

    def period(self, kind: int, pictures: int) -> float:
        """Seconds of a median division, and of as many median steps as train so many pictures for its epochs."""
        division, step = (statistics.median(each[kind] for each in known) for known in (self.divisions, self.steps))
        return division + EVERY * pictures * step


def one_period(trainings: Mapping[str, Training], measured: Mapping[str, Measured], number: int) -> None:
    """A period of each, a step of one after a step of another; the first step of all is left out."""
    for name, training in trainings.items():
        training.embedder.train()
        begun = seconds()
        measured[name].facts.append(training.method.advance(EVERY))
        measured[name].divisions.append(since(begun))
    for epoch in range(EVERY):
        batches = {name: one.inputs.batches(one._batches(epoch, 0)) for name, one in trainings.items()}
        for step in range(trainings["plain"].steps_per_epoch):
            for name, training in trainings.items():
                begun = seconds()
                batch = next(batches[name])
                training._step(epoch, batch)
                took = since(begun)
                if number or epoch or step:
                    measured[name].steps.append((took[0] / len(batch.indices), took[1] / len(batch.indices)))


def show(features: str, bar: float, measured: Mapping[str, Measured], pictures: int) -> None:
    """The ratios, and what the division has of the period."""
    one, plain = measured[features], measured["plain"]
    clock, processor = (one.period(kind, pictures) / plain.period(kind, pictures) for kind in (0, 1))
    print(
        f"  {features:8} {clock:6.3f} of the plain epoch, {processor:.3f} of its processor seconds (bar: at most {bar})"
    )
    period = one.period(0, pictures)
    for name in ("features", "clustering"):
        took = statistics.median(each["seconds"][name] for each in one.facts)
        print(f"           {name} {took:.3f} s of {period:.2f} s a period, {took / period:.1%}")


def seconds() -> tuple[float, float]:
    """By the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def since(begun: tuple[float, float]) -> tuple[float, float]:
    """What has passed."""
    now = seconds()
    return now[0] - begun[0], now[1] - begun[1]


if __name__ == "__main__":
    main()
