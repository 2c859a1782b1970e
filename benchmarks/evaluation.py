"""Evaluation: speed and memory of Kinsight against pytorch-metric-learning's AccuracyCalculator, and a million embeddings.

The first part has the size of Stanford Online Products' test half: 60,502 embeddings of 512 numbers in 11,316 classes of 2 to 12 pictures;
P@1, R-precision and MAP@R, which must agree. Every measurement is a process of its own, whose peak is what the operating system
counted; the two take turns, so that whatever else the machine does hits both.

    python benchmarks/evaluation.py [--quick] [--rounds 1] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from statistics import median

import numpy as np

METRICS = {
    "precision_at_1": "precision_at_1",
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
}


def main() -> None:
    """Print both ratios, then time and peak of the large gallery."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the size; ratios are smaller there")
    parser.add_argument("--rounds", type=int, default=1, help="how often the two take turns; medians are printed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measured(options.part, options.quick)))
        return
    rounds = [(run("ours", options), run("theirs", options)) for _ in range(options.rounds)]
    ours, theirs = (
        {key: median(round_[side][key] for round_ in rounds) for key in ("seconds", "peak_gb")} for side in (0, 1)
    )
    vectors, labels = products_like(options.quick)
    print(
        f"{len(vectors):,} x {vectors.shape[1]}, {labels.max() + 1:,} classes, {options.threads} threads: P@1, RP, MAP@R"
    )
    print(f"  kinsight            {ours['seconds']:7.1f} s   peak {ours['peak_gb']:5.2f} GB")
    print(f"  AccuracyCalculator  {theirs['seconds']:7.1f} s   peak {theirs['peak_gb']:5.2f} GB")
    print(f"  times faster        {theirs['seconds'] / ours['seconds']:7.2f}     (bar: at least 2.5)")
    print(f"  share of its memory {ours['peak_gb'] / theirs['peak_gb']:7.2f}     (bar: at most 0.25)")
    difference = max(abs(rounds[0][0][name] - rounds[0][1][name]) for name in METRICS)
    print(f"  largest difference of a metric {difference:.1e}; MAP@R {rounds[0][0]['map_at_r']:.4f}")
    large = run("large", options)
    print(
        f"{large['gallery']:,.0f} x 128, {large['queries']:,.0f} sampled queries, with mAP over the whole gallery: "
        f"{large['seconds']:.1f} s   peak {large['peak_gb']:.2f} GB   (bar: less than 4 GB)"
    )


def run(part: str, options: argparse.Namespace) -> dict[str, float]:
    """One measurement in its own process."""
    threads = {name: str(options.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, __file__, "--part", part, *(["--quick"] if options.quick else [])]
    answer = subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measured(part: str, quick: bool) -> dict[str, float]:
    """Seconds of the work without imports and data, the peak of the whole process, and the metrics."""
    work = PARTS[part](quick)
    start = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - start
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "peak_gb": peak / 1e9, **found}


def ours(quick: bool):
    from kinsight.evaluation import evaluate

    vectors, labels = products_like(quick)
    bare = {"clustering": False, "diagnosis": False, "intervals": False, "whole_gallery": False}
    return lambda: dict(evaluate(vectors, labels, ks=(1,), device="cpu", **bare))


def theirs(quick: bool):
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    vectors, labels = (torch.from_numpy(array) for array in products_like(quick))
    vectors /= vectors.norm(dim=1, keepdim=True)
    device = torch.device("cpu")
    calculator = AccuracyCalculator(include=tuple(METRICS.values()), k="max_bin_count", device=device)

    def work() -> dict[str, float]:
        found = calculator.get_accuracy(vectors, labels)
        return {ours: found[theirs] for ours, theirs in METRICS.items()}

    return work


def large(quick: bool):
    from kinsight.evaluation import evaluate

    count = 100_000 if quick else 1_000_000
    vectors, labels = clustered(np.full(count // 10, 10), 128, noise=1.3)
    queries = np.zeros(count, bool)
    queries[np.random.default_rng(1).choice(count, count // 100, replace=False)] = True
    bare = {"clustering": False, "diagnosis": False, "intervals": False}
    return lambda: dict(evaluate(vectors, labels, queries=queries, device="cpu", **bare))


PARTS = {"ours": ours, "theirs": theirs, "large": large}


def products_like(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings with the numbers of pictures and classes of Stanford Online Products' test half, or a fifth."""
    count, classes = (12_100, 2_263) if quick else (60_502, 11_316)
    rng = np.random.default_rng(0)
    sizes = 2 + rng.binomial(10, (count / classes - 2) / 10, classes)
    while difference := count - int(sizes.sum()):
        free = np.nonzero(sizes < 12 if difference > 0 else sizes > 2)[0]
        sizes[rng.choice(free, min(abs(difference), len(free)), replace=False)] += np.sign(difference)
    return clustered(sizes, 512)


def clustered(sizes: np.ndarray, width: int, noise: float = 2.2) -> tuple[np.ndarray, np.ndarray]:
    """Classes of these sizes in random order, around random centres."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = rng.standard_normal((len(sizes), width), dtype=np.float32)
    vectors = rng.standard_normal((len(labels), width), dtype=np.float32)
    vectors *= noise
    for start in range(0, len(labels), 10_000):
        vectors[start : start + 10_000] += centres[labels[start : start + 10_000]]
    return vectors, labels


if __name__ == "__main__":
    main()
