"""Anybody's embeddings from a file: `.npz`, `.npy`, CSV or parquet, under whatever names they were written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.data.table import TABLE_SUFFIXES, read_plain_table
from kinsight.errors import KinsightError
from kinsight.evaluation.query_gallery import Column
from kinsight.reading import read_npy, read_npz, read_text

VECTORS = ("vectors", "embeddings", "embedding", "features", "feature", "feats", "emb", "X", "x")
LABELS = ("labels", "label", "targets", "target", "classes", "class", "y")
_IDS = ("ids", "id", "paths", "path", "names")
_ROLES = {"is_query": "queries", "is_gallery": "gallery", "camera": "cameras", "sequence": "sequences"}
_OTHERWISE = "write it with numpy.savez(file, vectors=..., labels=...)"


def read_embeddings(
    path: str | Path,
    *,
    vectors_key: str | None = None,
    labels: Column | str | Path | None = None,
    labelled: bool = True,
) -> dict[str, Any]:
    """Vectors (N, D) and what stands beside them, as arguments of an evaluation.

    Args:
        path: `.npz` with arrays, `.npy` with vectors alone, CSV or parquet with a row a vector.
        vectors_key: which array of an `.npz`; which column of lists, or the beginning of the columns' names, of a table.
        labels: the classes (N,), or a file of them, where the file of the vectors holds none.
        labelled: whether there must be classes.

    Raises:
        KinsightError: the file holds no vectors that could be meant.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        found: dict[str, Any] = {"vectors": read_npy(path, otherwise=_OTHERWISE)}
    elif suffix in TABLE_SUFFIXES:
        found = _of_table(read_plain_table(path), str(path), vectors_key)
    else:
        found = _of_arrays(read_npz(path, otherwise=_OTHERWISE), str(path), vectors_key)
    vectors = found["vectors"] = np.asarray(found["vectors"])
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise KinsightError(
            f"{path} holds {vectors.dtype} of shape {vectors.shape} as vectors; give numbers of shape (N, D)"
        )
    if labels is not None:
        found["labels"] = _read_labels(labels) if isinstance(labels, str | Path) else labels
    if "labels" not in found:
        if not labelled:
            return found
        raise KinsightError(
            f"{path} has no array labels; give the class of each vector with --labels FILE (.npy, .csv, or a text a line), or add it"
            if suffix not in TABLE_SUFFIXES
            else f"{path} has no column label; add it, or give --labels FILE"
        )
    if len(found["labels"]) != len(vectors):
        raise KinsightError(
            f"{len(found['labels'])} labels were given for {len(vectors)} vectors of {path}; give one for each"
        )
    return found


def _of_arrays(arrays: Mapping[str, np.ndarray], path: str, key: str | None) -> dict[str, Any]:
    known = ", ".join(arrays) or "none"
    name = _chosen(arrays, key, VECTORS)
    if name is None:
        name = _alone([each for each, array in arrays.items() if array.ndim == 2 and array.dtype.kind == "f"])
    if name is None or (key is not None and name != key):
        missing = repr(key) if key is not None else "vectors"
        raise KinsightError(
            f"{path} has no array {missing} (it has: {known}); name the vectors with --vectors-key, or add them"
        )
    label, ids = _chosen(arrays, None, LABELS), _chosen(arrays, None, _IDS)
    found: dict[str, Any] = {"vectors": arrays[name]}
    if label is not None:
        found["labels"] = arrays[label]
    if ids is not None:
        found["ids"] = arrays[ids]
    return found | {argument: arrays[each] for each, argument in _ROLES.items() if each in arrays}


def _of_table(table: pd.DataFrame, path: str, key: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"vectors": _vectors_of(table, path, key)}
    if "label" in table:
        found["labels"] = table["label"].to_numpy()
    ids = "id" if "id" in table else "path" if "path" in table else None
    if ids is not None:
        found["ids"] = table[ids].astype(str).to_numpy()
    for each, argument in _ROLES.items():
        if each in table:
            values = table[each]
            found[argument] = values.astype(bool).to_numpy() if each.startswith("is_") else values.to_numpy()
    return found


def _vectors_of(table: pd.DataFrame, path: str, key: str | None) -> np.ndarray:
    listed = [str(column) for column in table if isinstance(table[column].iloc[0], np.ndarray | list)]
    name = _chosen(listed, key, VECTORS) or (None if key is not None else _alone(listed))
    if name is not None:
        try:
            return np.stack([np.asarray(value, dtype=np.float32) for value in table[name]])  # (N, D)
        except (TypeError, ValueError):
            raise KinsightError(
                f"{path}, column {name}: its lists differ in length or hold no numbers; write D in each row"
            ) from None
    numbered: dict[str, dict[int, str]] = {}
    for column in table.columns:
        parts = re.fullmatch(r"(.*?)(\d{1,6})", column)
        if parts and column not in ("x_1", "y_1", "x_2", "y_2"):
            numbered.setdefault(parts[1], {})[int(parts[2])] = column
    beginning = max(numbered, key=lambda each: len(numbered[each]), default=None) if key is None else key
    if beginning is None or beginning not in numbered:
        shown = ", ".join(map(str, table.columns[:12]))
        raise KinsightError(
            f"{path} has no columns of vectors{'' if key is None else f' that begin with {key!r}'}; it has {shown}: call them f0, f1, ... "
            "and name their beginning with --vectors-key f"
        )
    columns = [numbered[beginning][number] for number in sorted(numbered[beginning])]
    for column in columns:
        if not pd.api.types.is_numeric_dtype(table[column]) or table[column].isna().any():
            raise KinsightError(
                f"{path}, column {column}: not every row holds a number; repair it, or choose others with --vectors-key"
            )
    return table[columns].to_numpy(np.float32)  # (N, D)


def _chosen(names: Any, key: str | None, known: tuple[str, ...]) -> str | None:
    return next((each for each in ((key,) if key is not None else known) if each in names), None)


def _alone(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _read_labels(path: str | Path) -> np.ndarray:
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        return read_npy(path, otherwise="write it with numpy.save(file, labels)")
    if suffix in TABLE_SUFFIXES:
        table = read_plain_table(path)
        column = "label" if "label" in table else _alone(list(table.columns))
        if column is None:
            raise KinsightError(f"{path} has no column label; it has {', '.join(map(str, table.columns))}")
        return table[column].to_numpy()
    return np.array(read_text(path, otherwise="give a .npy, a .csv, or a text with a class a line").splitlines())
