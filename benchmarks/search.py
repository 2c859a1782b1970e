"""Search in an index, exact and approximate: building, loading, whole pictures, regions, a condition, and faiss beside, in one run.

    python benchmarks/search.py [--count 1000000] [--dim 512] [--queries 200] [--no-hnsw]

The vectors resemble embeddings: classes round the centres of super-classes, directions of falling variance, float16 in the file. faiss's
flat index and its HNSW graph (32 neighbours, 100 while building, eight bits a number, candidates scored exactly) stand over the same
vectors. The graph of a million takes some ten minutes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
import torch

from kinsight.retrieval.about import About
from kinsight.retrieval.approximate import build_lists, lists_path, open_lists
from kinsight.retrieval.entries import Entry, Listed
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.opening import create_store, open_store

BATCH = 10_000
PER_CLASS, PER_SUPER_CLASS = 50, 20
PLACES = (7, 7)
FILTER = "camera = 3"  # a tenth of the pictures
K = 10
SIZES_OF_LISTS = (64, 128, 256)  # efSearch

Find = Callable[[np.ndarray], np.ndarray]


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
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where the file is written (default: a temporary folder)")
    parser.add_argument(
        "--no-hnsw", dest="hnsw", action="store_false", help="leave out the graph, which takes long to build"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    print(f"{options.count:,} x {options.dim}, {options.threads} threads, {options.queries} queries")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "a.kin"
        _add(path, options)
        _measure(path, options)


def _add(path: Path, options: argparse.Namespace) -> None:
    store = create_store(path, About(options.dim, "float16"))
    spent, number = 0.0, 0
    for vectors in clustered(options.count, options.dim):
        entries = [
            Entry(_listed(number + n), FileState(1, 1, ""), vector) for n, vector in enumerate(vectors)
        ]  # fmt: skip
        begun = time.perf_counter()
        store.add(entries)
        spent += time.perf_counter() - begun
        number += len(entries)
    _say("add", f"{spent:8.1f} s   {path.stat().st_size / 2**20:,.0f} MB")
    begun = time.perf_counter()
    enough = build_lists(store).enough
    _say(
        "lists, build",
        f"{time.perf_counter() - begun:8.1f} s   {lists_path(path).stat().st_size / 2**20:,.0f} MB, {enough.compared:,} compared, "
        f"recall@10 {enough.recall:.4f} on pictures of its own",
    )
    store.close()


def _listed(number: int) -> Listed:
    return Listed(f"{number}.jpg", f"/pictures/{number}.jpg", None, {"camera": number % 10})


def _measure(path: Path, options: argparse.Namespace) -> None:
    store = open_store(path)
    before, begun = _memory(), time.perf_counter()
    approximate = open_lists(store)
    _say("lists, load", f"{time.perf_counter() - begun:8.1f} s   {_memory() - before:.2f} GB")
    before, begun = _memory(), time.perf_counter()
    matrix = Matrix(store)
    _say("vectors, load", f"{time.perf_counter() - begun:8.1f} s   {_memory() - before:.2f} GB")
    random = np.random.default_rng(2)
    rows = matrix.rows[random.choice(len(matrix.rows), options.queries, replace=False)].numpy()
    queries = rows + 0.02 * random.standard_normal(rows.shape, dtype=np.float32)
    for name, find in (("exact", matrix.count), ("approximate", approximate.count)):
        begun = time.perf_counter()
        count = find(FILTER)
        _say(
            f"{name}, new condition",
            f"{1000 * (time.perf_counter() - begun):8.1f} ms  {count / len(matrix):.0%} of the pictures",
        )
    truth = _timed("exact", queries, lambda query: matrix.find(query, K).numbers)
    parts = queries[:, None, None, :] + 0.05 * random.standard_normal(
        (len(queries), *PLACES, rows.shape[1]), dtype=np.float32
    )
    weights = (np.add.outer(np.arange(PLACES[0]), np.arange(PLACES[1])) < 7).astype(
        np.float32
    )  # a region: half of the map
    exact_region = _timed("exact, region", parts, lambda places: matrix.find(_summed(places, weights), K).numbers)
    few = _timed("exact, condition", queries, lambda query: matrix.find(query, K, FILTER).numbers)
    _timed("exact, most allowed", queries, lambda query: matrix.find(query, K, "camera != 3").numbers)
    _timed("approximate", queries, lambda query: approximate.find(query, K).numbers, truth)
    _timed(
        "approximate, region", parts, lambda places: approximate.find(_summed(places, weights), K).numbers, exact_region
    )
    _timed("approximate, condition", queries, lambda query: approximate.find(query, K, FILTER).numbers, few)
    vectors = matrix.rows.numpy()
    flat = faiss.IndexFlatIP(options.dim)
    flat.add(vectors)
    _timed("faiss flat", queries, lambda query: matrix.numbers[flat.search(query[None], K)[1][0]], truth)
    flat.reset()
    if options.hnsw:
        _hnsw(matrix, queries, truth, few)


def _hnsw(matrix: Matrix, queries: np.ndarray, truth: np.ndarray, few: np.ndarray) -> None:
    vectors = matrix.rows.numpy()
    graph = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 100
    before, begun = _memory(), time.perf_counter()
    graph.train(vectors)
    graph.add(vectors)
    _say("faiss HNSW, build", f"{time.perf_counter() - begun:8.1f} s   {_memory() - before:.2f} GB")
    allowed = np.isin(matrix.numbers, matrix.numbers[matrix.allowed(FILTER)])
    selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    for size in SIZES_OF_LISTS:
        for name, only, wanted in (("", None, truth), (", condition", selector, few)):
            how = faiss.SearchParametersHNSW(efSearch=size, sel=only)

            def find(query: np.ndarray, how: faiss.SearchParametersHNSW = how) -> np.ndarray:
                found = graph.search(query[None], 4 * K, params=how)[1][0]
                found = found[found >= 0]
                return matrix.numbers[found[np.argsort(-(vectors[found] @ query), kind="stable")[:K]]]

            _timed(f"faiss HNSW {size}{name}", queries, find, wanted)


def _summed(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What the places (h, w, D) of a region contribute together. (D,)"""
    return np.einsum("hwd,hw->d", places, weights)


def _timed(name: str, queries: np.ndarray, find: Find, truth: np.ndarray | None = None) -> np.ndarray:
    """What is found, (Q, 10) where as many are."""
    for query in queries[:5]:
        find(query)
    times, found = [], []
    for query in queries:
        begun = time.perf_counter()
        found.append(find(query))
        times.append(1000 * (time.perf_counter() - begun))
    said = f"p50 {np.median(times):8.2f} ms   p99 {np.quantile(times, 0.99):8.2f} ms"
    if truth is not None:
        shares = [np.isin(wanted, some).mean() for wanted, some in zip(truth, found, strict=True)]
        said += f"   recall@10 {np.mean(shares):.4f}"
    _say(name, said)
    return np.stack(found) if truth is None else truth


def _memory() -> float:
    """GB that this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30


def _say(name: str, what: str) -> None:
    print(f"{name:26} {what}", flush=True)


if __name__ == "__main__":
    main()
