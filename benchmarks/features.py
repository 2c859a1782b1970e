"""Training of a head on a trunk that stands still: features computed once against the same run that computes them in each step.

Same model, data, batches, loss and seed, without augmentation; epochs of the two alternate. First both train one epoch from the same
start, and their weights are compared.

    python benchmarks/features.py [--trunk resnet18] [--size 128] [--rounds 3]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

import torch

from kinsight.data import write_scenes
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table
from training import epoch_of

EPOCHS = 10  # of features, timed together


def main() -> None:
    """Print the ratio, and how far the weights are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pooling", default="avg", help="avg, max, avg+max read vectors, gem reads whole maps")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("kinsight").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        data = write_scenes(Path(folder) / "scenes", classes=16, per_class=24, size=options.size, seed=0)
        pictures = prepared(options, data, Path(folder) / "pictures", "never")
        features = prepared(options, data, Path(folder) / "features", "auto")
        epoch_of(pictures)
        first = seconds_of(lambda: epoch_of(features))
        apart = max(
            float((one - two).detach().abs().max())
            for one, two in zip(pictures.embedder.parameters(), features.embedder.parameters(), strict=True)
        )
        ratios, speeds = [], []
        count = pictures.steps_per_epoch * options.batch
        for _ in range(options.rounds):
            slow = seconds_of(lambda: epoch_of(pictures))
            fast = seconds_of(lambda: [epoch_of(features) for _ in range(EPOCHS)]) / EPOCHS
            ratios.append(slow / fast)
            speeds.append((count / slow, count / fast))
        print(
            f"{options.trunk} at {options.size} pixels, head of {options.pooling}, batches of {options.batch}, {pictures.precision}, "
            f"{torch.get_num_threads()} threads on {pictures.device.type}"
        )
        print(f"  pictures  {statistics.median(each for each, _ in speeds):10,.1f} pictures/s")
        print(f"  features  {statistics.median(each for _, each in speeds):10,.1f} pictures/s")
        print(f"  ratio     {statistics.median(ratios):10,.1f}  (bar: at least 20)")
        print(f"  the epoch in which they are computed takes {first:.1f} s")
        print(f"  weights are {apart:.1e} apart after one epoch  (bar: at most 1e-6)")


def prepared(options: argparse.Namespace, data: Path, out: Path, once: str) -> Training:
    """A training of the head alone that is ready to run epochs."""
    settings = settings_from(
        {
            "data": {"path": str(data), "fold": None, "augmentation": "none"},
            "model": {
                "trunk": options.trunk,
                "size": options.size,
                "resize": options.size,
                "head": {"name": "linear", "dim": 128, "pooling": options.pooling},
            },
            "objective": {"loss": {"name": "proxy-anchor"}},
            "batches": {"size": options.batch},
            "optimizer": {"trunk_lr": 0.0},
            "features": {"once": once},
        }
    )
    run = RunFolder(out)
    run.claim(settings)
    return Training(settings, run, prepare_table(settings.data), progress=False)


def seconds_of(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
