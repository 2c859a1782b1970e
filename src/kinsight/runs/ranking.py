"""What an evaluation ranked, as it stands in `evaluation/NAME.npz`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.files import write_npz
from kinsight.reading import read_npz

_AGAIN = "evaluate the run again to write it anew"
_KINDS = {"numbers": "iuf", "rows": "iu", "texts": "US"}


@dataclass(frozen=True)
class Ranking:
    """What an evaluation ranked: N pictures, Q of them queries, k neighbours each (rows of N; -1: none)."""

    ids: np.ndarray  # (N,)
    paths: np.ndarray  # (N,)
    labels: np.ndarray  # (N,)
    vectors: np.ndarray  # (N, D)
    query_rows: np.ndarray  # (Q,)
    neighbours: np.ndarray  # (Q, k)
    scores: np.ndarray  # (Q, k)
    precision_at_1: np.ndarray  # (Q,)
    average_precision: np.ndarray  # (Q,), MAP@R of one query
    names: np.ndarray | None = None  # (N,), classes as a person calls them, where the table does
    per_query: Mapping[str, np.ndarray] = field(default_factory=dict)  # (Q,) each: the ranking metrics by name

    @property
    def titles(self) -> np.ndarray:
        """What to call the class of each picture. (N,)"""
        return self.labels if self.names is None else self.names

    def write(self, path: Path) -> None:
        """Write the arrays, whole or not at all."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "per_query"}
        write_npz(path, {**self.per_query, **{name: array for name, array in own.items() if array is not None}})

    @classmethod
    def read(cls, path: Path) -> Ranking:
        """Read the arrays, without pickle.

        Raises:
            KinsightError: an array is missing, is no plain array, or its rows do not fit the others.
        """
        stored = read_npz(path, otherwise=_AGAIN)
        own = {each.name for each in fields(cls)}
        for each in fields(cls):
            if each.name not in stored and each.name not in ("names", "per_query"):
                raise KinsightError(f"{path} has no array {each.name}; {_AGAIN}")
        arrays: dict[str, Any] = {name: array for name, array in stored.items() if name in own and name != "per_query"}
        found = cls(**arrays)
        found._check(path)
        queries = {
            name: array
            for name, array in stored.items()
            if (name not in own or name == "precision_at_1") and array.shape == found.query_rows.shape
        }
        return replace(found, per_query=queries)

    def _check(self, path: Path) -> None:
        rows, queries = self.ids.shape[:1], self.query_rows.shape[:1]
        expected: dict[str, tuple[tuple[int, ...], str]] = {
            "ids": (rows, "texts"),
            "paths": (rows, "texts"),
            "labels": (rows, "texts"),
            "names": (rows, "texts"),
            "vectors": ((*rows, *(self.vectors.shape[1:2] or (1,))), "numbers"),
            "query_rows": (queries, "rows"),
            "neighbours": ((*queries, *(self.neighbours.shape[1:2] or (1,))), "rows"),
            "scores": (self.neighbours.shape, "numbers"),
            "precision_at_1": (queries, "numbers"),
            "average_precision": (queries, "numbers"),
        }
        for name, (shape, kind) in expected.items():
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape != shape or not array.ndim:
                raise KinsightError(f"{path}: {name} has shape {array.shape}, expected {shape}; evaluate the run again")
            if array.dtype.kind not in _KINDS[kind]:
                raise KinsightError(f"{path}: {name} holds {array.dtype}, expected {kind}; evaluate the run again")
        for name in ("query_rows", "neighbours"):
            values = getattr(self, name)
            if values.size and (values.max() >= rows[0] or values.min() < (-1 if name == "neighbours" else 0)):
                raise KinsightError(f"{path}: {name} points outside the {rows[0]} rows; evaluate the run again")


@dataclass(frozen=True)
class QueryValues:
    """The values of M metrics for each of Q queries."""

    ids: np.ndarray  # (Q,)
    labels: np.ndarray  # (Q,)
    values: np.ndarray  # (Q, M)

    @classmethod
    def read(cls, path: Path, metrics: Sequence[str], *, otherwise: str) -> QueryValues | None:
        """The values of the metrics; None where the file does not have them.

        Raises:
            KinsightError: the file cannot be read, or its arrays do not fit one another.
        """
        stored = read_npz(path, ("query_rows", "ids", "labels", *metrics), otherwise=otherwise)
        if not {"query_rows", "ids", "labels", *metrics} <= set(stored):
            return None
        rows, ids, labels = stored["query_rows"], stored["ids"], stored["labels"]
        values = [stored[name] for name in metrics]
        fitting = (
            rows.ndim == ids.ndim == 1
            and rows.dtype.kind in _KINDS["rows"]
            and ids.shape == labels.shape
            and all(array.shape == rows.shape and array.dtype.kind in _KINDS["numbers"] for array in values)
            and bool(len(rows))
            and 0 <= rows.min() <= rows.max() < len(ids)
        )
        if not fitting:
            raise KinsightError(f"{path} cannot be read (its arrays do not fit one another); {otherwise}")
        return cls(ids[rows], labels[rows], np.stack(values, axis=1))
