"""Training throughput: the loop of Kinsight against a bare hand-written PyTorch loop, in one run.

Same model, weights, batches, augmentation, precision, loss and data; epochs of the two alternate, so that whatever else the machine does
hits both. Then the same with the `fastest` precision against fp32: the gain it brings here.

    python benchmarks/training.py [--trunk resnet18] [--size 128] [--rounds 3]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

import torch
from pytorch_metric_learning.losses import ProxyAnchorLoss
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from kinsight.data import write_scenes
from kinsight.pictures import augmentation, open_picture
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.settings.training import TrainingSettings
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet18")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("kinsight").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        data = write_scenes(Path(folder) / "scenes", classes=32, per_class=24, size=options.size, seed=0)
        fp32 = prepared(options, data, Path(folder) / "fp32", "fp32")
        bare = Bare(fp32)
        ratio, ours, theirs = alternate(lambda: epoch_of(fp32), bare.epoch, options.rounds)
        pictures = fp32.steps_per_epoch * options.batch
        print(
            f"{options.trunk} at {options.size} pixels, batches of {options.batch}, fp32, {torch.get_num_threads()} threads"
        )
        print(f"  kinsight  {pictures / ours:7.1f} pictures/s")
        print(f"  bare loop {pictures / theirs:7.1f} pictures/s")
        print(f"  ratio     {ratio:7.3f}  (bar: at least 0.97)")
        auto = prepared(options, data, Path(folder) / "fastest", "fastest")
        gain, seconds, _ = alternate(lambda: epoch_of(auto), lambda: epoch_of(fp32), options.rounds)
        print(f"the fastest precision is {auto.precision}: {pictures / seconds:.1f} pictures/s, {gain:.2f}x fp32")


def prepared(options: argparse.Namespace, data: Path, out: Path, precision: str) -> Training:
    """A training that is ready to run epochs."""
    settings: TrainingSettings = settings_from(
        {
            "data": {"path": str(data), "fold": None, "augmentation": "standard"},
            "model": {
                "trunk": options.trunk,
                "size": options.size,
                "resize": options.size,
                "head": {"name": "linear", "dim": 128},
            },
            "objective": {"loss": {"name": "proxy-anchor"}},
            "batches": {"size": options.batch},
            "precision": precision,
        }
    )
    run = RunFolder(out)
    run.claim(settings)
    return Training(settings, run, prepare_table(settings.data), progress=False)


def epoch_of(training: Training) -> None:
    """One more epoch, without validation and checkpoint."""
    training.position.batch = 0
    training._epoch(0)


class Files(Dataset[tuple[torch.Tensor, int]]):
    """What anybody writes first."""

    def __init__(self, training: Training) -> None:
        self.paths = training.table["path"].to_numpy()[training.rows]
        self.labels = training.labels
        self.transform = augmentation(training.settings.data.augmentation, training.embedder.preprocessing)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(open_picture(self.paths[index])), int(self.labels[index])


class Bare:
    """A plain loop: loader, forward, loss, backward, step."""

    def __init__(self, training: Training) -> None:
        import copy

        settings = training.settings
        self.trunk, self.head = copy.deepcopy(training.embedder.trunk), copy.deepcopy(training.embedder.head)
        self.loss = ProxyAnchorLoss(training.classes, training.embedder.dim)
        self.loader = DataLoader(
            Files(training),
            batch_size=settings.batches.size,
            shuffle=True,
            drop_last=True,
            num_workers=settings.data.workers,
        )
        parameters = [*self.trunk.parameters(), *self.head.parameters(), *self.loss.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4)

    def epoch(self) -> None:
        """One pass."""
        self.trunk.train()
        for images, labels in self.loader:
            images = images.contiguous(memory_format=torch.channels_last)
            embeddings = F.normalize(self.head(self.trunk(images)).whole)
            loss = self.loss(embeddings, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


def alternate(one, other, rounds: int) -> tuple[float, float, float]:
    """How many times faster `one` is than `other` (median of the rounds' ratios), and the median seconds of each."""
    one(), other()  # warm up
    pairs = []
    for number in range(rounds):
        first, second = (one, other) if number % 2 == 0 else (other, one)
        times = {}
        for run in (first, second):
            start = time.perf_counter()
            run()
            times[run] = time.perf_counter() - start
        pairs.append((times[one], times[other]))
    ratio = statistics.median(b / a for a, b in pairs)
    return ratio, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


if __name__ == "__main__":
    main()
