"""What division costs: an epoch with 32 subspaces, renewed every second epoch, against the plain one, with fresh and running features.

Same model, data, precision and steps; periods of two epochs of the three follow each other in turn, and the ratios of each round give the
median. A divided period has one re-clustering; with fresh features that embeds all training pictures. A small cluster does not always
fill a batch to the last picture, so that the steps' seconds count as for equally many pictures. On a CPU the ratio of processor
seconds, of all processes, stands beside that of the clock: other load disturbs it less. Then the clustering alone, of 60,000 vectors of 512
numbers into 32. Under three minutes on two cores that nobody else uses.

    OMP_NUM_THREADS=1 python benchmarks/division.py [--trunk resnet18] [--size 64] [--classes 100] [--per-class 4] [--rounds 2]
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
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
from training import epoch_of

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
            one_step(training)
        rounds = [one_round(trainings, number) for number in range(options.rounds)]
        for features, bar in BARS.items():
            clock, processor = (
                statistics.median(evened(each[features], each["plain"], kind) for each in rounds) for kind in (0, 1)
            )
            work = f", {processor:.3f} of its processor seconds" if plain.device.type == "cpu" else ""
            print(f"  {features:8} {clock:6.3f} of the plain epoch{work} (bar: at most {bar})")
            whole = statistics.median(each[features].division[0] + each[features].steps[0] for each in rounds)
            for name in ("features", "clustering"):
                took = statistics.median(each[features].facts["seconds"][name] for each in rounds)
                print(f"           {name} {took:.3f} s of {whole:.2f} s a period, {took / whole:.1%}")
            last = rounds[-1][features]
            print(
                f"           {last.pictures / rounds[-1]['plain'].pictures:.1%} of the plain epoch's pictures trained"
            )
    vectors = np.random.default_rng(0).normal(size=(options.points, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.perf_counter()
    kmeans(vectors, options.subspaces, iterations=100)
    print(f"clustering {options.points:,} x 512 into {options.subspaces}: {time.perf_counter() - started:.1f} s")


def prepared(options: argparse.Namespace, data: Path, out: Path, method: dict[str, Any]) -> Training:
    """A training that is ready to run epochs."""
    settings = settings_from(
        {
            "data": {"path": str(data), "fold": None, "split": "all"},
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


@dataclass(frozen=True)
class Period:
    """A period: (by the clock, processor) seconds of the division and of the steps, how many pictures trained, what the division said."""

    division: tuple[float, float]
    steps: tuple[float, float]
    pictures: int
    facts: dict[str, Any]


def one_round(trainings: Mapping[str, Training], number: int) -> dict[str, Period]:
    """A period of each, begun by another one in every round."""
    names = list(trainings)
    return {name: period(trainings[name]) for name in names[number % len(names) :] + names[: number % len(names)]}


def period(training: Training) -> Period:
    """Two epochs, and the division before them where there is one."""
    begun = seconds()
    facts = training.method.advance(EVERY)
    divided = seconds()
    for _ in range(EVERY):
        epoch_of(training)
    ended = seconds()
    pictures = EVERY * sum(len(batch) for batch in training.method.sampler().epoch(0))
    return Period(between(begun, divided), between(divided, ended), pictures, facts)


def evened(one: Period, plain: Period, kind: int) -> float:
    """How many times the plain period's seconds, for equally many pictures."""
    return (one.division[kind] + one.steps[kind] * plain.pictures / one.pictures) / plain.steps[kind]


def between(begun: tuple[float, float], ended: tuple[float, float]) -> tuple[float, float]:
    """What has passed."""
    return ended[0] - begun[0], ended[1] - begun[1]


def seconds() -> tuple[float, float]:
    """By the clock, and of the processors for this process and those that it has started and seen end."""
    return time.perf_counter(), sum(os.times()[:4])


def one_step(training: Training) -> None:
    """The last step of an epoch, to warm up."""
    training.position.batch = training.steps_per_epoch - 1
    training._epoch(0)


if __name__ == "__main__":
    main()
