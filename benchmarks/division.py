"""What division costs: an epoch with 32 subspaces, renewed every second epoch, against the plain one, with fresh and running features.

Same model, data, precision and steps; periods of two epochs of the three alternate. A divided period has one re-clustering, with its pass
over the training pictures. Then the clustering alone, of 60,000 vectors of 512 numbers into 32.

    python benchmarks/division.py [--trunk resnet18] [--size 96] [--classes 96] [--per-class 16] [--rounds 3]
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
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
from training import alternate, epoch_of

EVERY = 2
BARS = {"fresh": 1.25, "running": 1.05}


def main() -> None:
    """Print the ratios and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--classes", type=int, default=96)
    parser.add_argument("--per-class", type=int, default=16)
    parser.add_argument("--batch", type=int, default=80)
    parser.add_argument("--subspaces", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=60_000)
    options = parser.parse_args()
    logging.getLogger("kinsight").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        data = write_scenes(
            Path(folder) / "scenes", classes=options.classes, per_class=options.per_class, size=options.size
        )
        plain = prepared(options, data, Path(folder) / "plain", {"name": "plain"})
        pictures = len(plain.labels)
        print(
            f"{options.trunk} at {options.size} pixels, {pictures:,} pictures, batches of {options.batch}, fp32, "
            f"{torch.get_num_threads()} threads on {plain.device.type}"
        )
        for features, bar in BARS.items():
            method = {
                "name": "division", "subspaces": options.subspaces, "every": EVERY, "progressive": False, "features": features,
            }  # fmt: skip
            divided = prepared(options, data, Path(folder) / features, method)
            divided.method.advance(0)
            ratio, seconds, others = alternate(lambda: period(plain), lambda one=divided: period(one), options.rounds)
            facts = divided.method.advance(EVERY)
            print(
                f"  {features:8} {ratio:6.3f} of the plain epoch (bar: at most {bar}); "
                f"{others / EVERY:.2f} s against {seconds / EVERY:.2f} s"
            )
            print(f"           the last division: {facts['seconds']}, {facts['set_aside']} set aside")
    vectors = np.random.default_rng(0).normal(size=(options.points, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.perf_counter()
    kmeans(vectors, options.subspaces, iterations=100)
    print(f"clustering {options.points:,} x 512 into {options.subspaces}: {time.perf_counter() - started:.1f} s")


def prepared(options: argparse.Namespace, data: Path, out: Path, method: dict[str, Any]) -> Training:
    """A training that is ready to run epochs."""
    settings = settings_from(
        {
            "data": {"path": str(data), "fold": None},
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


def period(training: Training) -> None:
    """Two epochs, and the division before them where there is one."""
    training.method.advance(EVERY)
    for _ in range(EVERY):
        epoch_of(training)


if __name__ == "__main__":
    main()
