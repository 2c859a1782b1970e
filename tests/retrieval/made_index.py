"""Index files of random vectors, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinsight.retrieval.about import About
from kinsight.retrieval.entries import Entry, Listed
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.opening import create_store
from kinsight.retrieval.store import Store

DIM = 12


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def entry(id_: str, vector: np.ndarray, **columns: Any) -> Entry:
    return Entry(Listed(id_, f"/pictures/{id_}", None, columns), FileState(1, 2, "digest"), vector)


def entries(count: int, seed: int = 0) -> list[Entry]:
    """Pictures 0.jpg, 1.jpg, ... of cameras 0 to 4."""
    return [entry(f"{n}.jpg", vector, camera=n % 5) for n, vector in enumerate(vectors(count, seed))]


def made(path: Path | None = None, count: int = 30, *, dtype: str = "float32") -> Store:
    store = create_store(path, About(DIM, dtype))
    store.add(entries(count))
    return store
