"""Exact search in an index: building, loading, a query, a query with a condition, beside faiss's flat index over the same vectors.

    python benchmarks/search.py [--count 1000000] [--dim 512] [--queries 50]

The vectors resemble embeddings: classes round the centres of super-classes, directions of falling variance, float16 in the file.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
import torch

from kinsight.retrieval.about import About
from kinsight.retrieval.entries import Entry, Listed
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.opening import create_store, open_store

BATCH = 10_000
PER_CLASS, PER_SUPER_CLASS = 50, 20


def clustered(count: int, dim: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Vectors of length 1, batch by batch, float32 (n, D)."""
    random = np.random.default_rng(seed)
    spread = (1 / np.sqrt(1 + np.arange(dim))).astype(np.float32)
    classes = -(-count // PER_CLASS)
    above = random.standard_normal((-(-classes // PER_SUPER_CLASS), dim), dtype=np.float32) * spread
    centres = (
        above[np.arange(classes) // PER_SUPER_CLASS]
        + 0.8 * random.standard_normal((classes, dim), dtype=np.float32) * spread
    )
    order = random.permutation(count) // PER_CLASS
    for start in range(0, count, BATCH):
        chosen = centres[order[start : start + BATCH]]
        vectors = chosen + 0.7 * random.standard_normal(chosen.shape, dtype=np.float32) * spread
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where the file is written (default: a temporary folder)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _measure(Path(folder) / "a.kin", options)


def _measure(path: Path, options: argparse.Namespace) -> None:
    print(f"{options.count:,} x {options.dim}, {options.threads} threads")
    store = create_store(path, About(options.dim, "float16"))
    started, spent = time.perf_counter(), 0.0
    number = 0
    for vectors in clustered(options.count, options.dim):
        state = FileState(1, 1, "")
        entries = [
            Entry(
                Listed(f"{number + n}.jpg", f"/pictures/{number + n}.jpg", None, {"camera": (number + n) % 10}),
                state,
                vector,
            )
            for n, vector in enumerate(vectors)
        ]
        begun = time.perf_counter()
        store.add(entries)
        spent += time.perf_counter() - begun
        number += len(entries)
    store.close()
    print(
        f"add                  {spent:8.1f} s ({path.stat().st_size / 2**20:,.0f} MB; {time.perf_counter() - started:.0f} s with vectors)"
    )
    begun = time.perf_counter()
    matrix = Matrix(open_store(path))
    print(f"load                 {time.perf_counter() - begun:8.1f} s")
    queries = matrix.rows[
        torch.randint(len(matrix.rows), (options.queries,), generator=torch.Generator().manual_seed(1))
    ].numpy()
    noise = np.random.default_rng(2).standard_normal(queries.shape, dtype=np.float32) * 0.02
    queries = queries + noise
    parts = queries + 3 * noise  # of any length: a region's sum of contributions goes the same way
    _print("exact, whole picture", queries, lambda query: matrix.nearest(query, 10))
    _print("exact, region", parts, lambda query: matrix.nearest(query, 10))
    begun = time.perf_counter()
    rows = matrix.allowed("camera = 3")
    print(
        f"condition, new       {1000 * (time.perf_counter() - begun):8.1f} ms, {len(rows) / len(matrix.rows):.0%} of the pictures"
    )
    _print("exact, condition", queries, lambda query: matrix.nearest(query, 10, rows=rows))
    most = matrix.allowed("camera != 3")
    _print("exact, most allowed", queries, lambda query: matrix.nearest(query, 10, rows=most))
    flat = faiss.IndexFlatIP(options.dim)
    flat.add(matrix.rows.numpy())
    _print("faiss flat", queries, lambda query: flat.search(query[None], 10))
    found = np.stack([matrix.nearest(query, 10).indices for query in queries])
    same = (np.sort(found, 1) == np.sort(flat.search(queries, 10)[1], 1)).mean()
    print(f"the same ten as faiss {same:.4f}")
    print(
        f"memory at its most   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:8.1f} GB with faiss's copy"
    )


def _print(name: str, queries: np.ndarray, search: Callable[[np.ndarray], object]) -> None:
    search(queries[0])
    times = []
    for query in queries:
        begun = time.perf_counter()
        search(query)
        times.append(1000 * (time.perf_counter() - begun))
    print(f"{name:20} p50 {np.median(times):8.1f} ms   p99 {np.quantile(times, 0.99):8.1f} ms")


if __name__ == "__main__":
    main()
