"""Evaluation: speed and memory beside pytorch-metric-learning's AccuracyCalculator, and beside the matrix products alone.

First the size of Stanford Online Products' test half: 60,502 embeddings of 512 numbers in 11,316 classes of 2 to 12 pictures; P@1,
R-precision and MAP@R, which must agree with the calculator's. The product beside them is that of half the table (every pair once), in
bfloat16 where the processor has a unit for it and in float32 elsewhere. Then a million embeddings and mAP over the whole gallery, beside
the float32 product of queries and gallery. Every measurement is a process of its own, whose peak is what the operating system counted;
they take turns, so that whatever else the machine does hits all.

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
import torch
from torch import Tensor

METRICS = {
    "precision_at_1": "precision_at_1",
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
}


def main() -> None:
    """Print the figures, then each bar on a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the size; ratios are smaller there")
    parser.add_argument("--rounds", type=int, default=1, help="how often they take turns; medians are printed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measured(options.part, options.quick)))
        return
    ours, theirs, half = take_turns(("ours", "theirs", "half"), options)
    vectors, labels = products_like(options.quick)
    size = f"{len(vectors):,} x {vectors.shape[1]}"
    print(f"P@1, R-precision, MAP@R of {size}, {labels.max() + 1:,} classes, {options.threads} threads")
    for name, found in (("kinsight", ours), ("AccuracyCalculator", theirs), ("product of half the table", half)):
        print(f"  {name:26} {found['seconds']:7.1f} s   peak {found['peak_gb']:5.2f} GB")
    difference = max(abs(ours[name] - theirs[name]) for name in METRICS)
    print(f"  largest difference of a metric {difference:.1e}; MAP@R {ours['map_at_r']:.4f}")
    print(f"times faster than AccuracyCalculator      {theirs['seconds'] / ours['seconds']:6.2f}  (bar: at least 2.5)")
    print(f"share of its memory                       {ours['peak_gb'] / theirs['peak_gb']:6.2f}  (bar: at most 0.25)")
    kind = "bfloat16" if half["bfloat16"] else "float32"
    print(f"times the {kind:8} product of half of it  {ours['seconds'] / half['seconds']:6.2f}  (bar: at most 2)")
    print(f"peak memory, GB                           {ours['peak_gb']:6.2f}  (bar: at most 1.2)")
    large, product = take_turns(("large", "product"), options)
    print(f"mAP over the whole gallery of {large['gallery']:,.0f} x 128, {large['queries']:,.0f} sampled queries")
    for name, found in (("kinsight", large), ("float32 product", product)):
        print(f"  {name:26} {found['seconds']:7.1f} s   peak {found['peak_gb']:5.2f} GB")
    print(f"times the float32 product                 {large['seconds'] / product['seconds']:6.2f}  (bar: at most 3)")
    print(f"peak memory, GB                           {large['peak_gb']:6.2f}  (bar: less than 4)")


def take_turns(parts: tuple[str, ...], options: argparse.Namespace) -> list[dict[str, float]]:
    """The medians of each part."""
    rounds = [[run(part, options) for part in parts] for _ in range(options.rounds)]
    return [{key: median(each[key] for each in found) for key in found[0]} for found in zip(*rounds, strict=True)]


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
    # Handed over, so that nobody keeps a second copy: the calculator's are divided by their lengths in place.
    given = [vectors]
    del vectors
    return lambda: dict(
        evaluate(
            given.pop(),
            labels,
            ks=(1,),
            device="cpu",
            clustering=False,
            diagnosis=False,
            intervals=False,
            whole_gallery=False,
        )
    )


def theirs(quick: bool):
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

    vectors, labels, queries = million(quick)
    bare = {"clustering": False, "diagnosis": False, "intervals": False}
    return lambda: dict(evaluate(vectors, labels, queries=queries, device="cpu", **bare))


def half(quick: bool):
    """Every product of two of the embeddings, once."""
    fast = torch.cpu.get_capabilities().get("amx_bf16", False)
    table = torch.nn.functional.normalize(torch.from_numpy(products_like(quick)[0]))
    table = table.bfloat16() if fast else table

    def work() -> dict[str, float]:
        for start in range(0, len(table), 2048):
            multiply(table[start : start + 2048], table[start:])
        return {"bfloat16": fast}

    return work


def product(quick: bool):
    """Every product of a query and a gallery item."""
    vectors, _, queries = million(quick)
    gallery = torch.nn.functional.normalize(torch.from_numpy(vectors))
    wanted = gallery[torch.from_numpy(queries)]

    def work() -> dict[str, float]:
        for start in range(0, len(wanted), 2048):
            multiply(wanted[start : start + 2048], gallery)
        return {}

    return work


def multiply(queries: Tensor, gallery: Tensor) -> None:
    """In blocks whose memory is used again, by all threads."""
    out = queries.new_empty(2048 * 2048)
    for theirs in gallery.split(2048):
        shape = len(queries), len(theirs)
        torch.mm(queries, theirs.T, out=out[: shape[0] * shape[1]].view(shape))


PARTS = {"ours": ours, "theirs": theirs, "half": half, "large": large, "product": product}


def million(quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of a large gallery, classes of 10, and who of them searches."""
    count = 100_000 if quick else 1_000_000
    queries = np.zeros(count, bool)
    queries[np.random.default_rng(1).choice(count, count // 100, replace=False)] = True
    return *clustered(np.full(count // 10, 10), 128, noise=1.3), queries


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
