"""What a run folder holds, read for showing: every piece may be missing, none is trusted to be whole."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.reading import read_json, read_text
from kinsight.settings.recipe import MOST_BYTES


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


@dataclass(frozen=True)
class Result:
    """One `evaluation/<name>.json` and, where it stands beside it, the path of its arrays."""

    name: str
    model: str
    split: str
    metrics: dict[str, float]
    protocol: dict[str, Any]
    arrays: Path | None


@dataclass(frozen=True)
class Run:
    """A run folder; an absent piece is empty."""

    folder: Path
    recipe: str
    protocol: dict[str, Any]
    lines: list[dict[str, Any]]
    results: list[Result]


def read_run(folder: str | Path) -> Run:
    """Read what a run folder holds.

    Raises:
        KinsightError: the folder does not exist, holds no piece of a run, or a piece of it is broken.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise KinsightError(f"{folder} is not a folder; give the folder of a run, the one that holds recipe.yaml")
    pieces = ("recipe.yaml", "protocol.json", "metrics.jsonl", "evaluation")
    if not any((folder / piece).exists() for piece in pieces):
        raise KinsightError(f"{folder} holds none of {', '.join(pieces)}; give the folder of a run, or train one first")
    recipe = folder / "recipe.yaml"
    protocol = _mapping(folder / "protocol.json") if (folder / "protocol.json").exists() else {}
    files = sorted((folder / "evaluation").glob("*.json"))
    return Run(
        folder=folder,
        recipe=read_text(recipe, most=MOST_BYTES) if recipe.exists() else "",
        protocol=protocol,
        lines=_lines(folder / "metrics.jsonl"),
        results=[_result(file) for file in files],
    )


def result_of(content: Mapping[str, Any], name: str = "", arrays: Path | None = None) -> Result:
    """An evaluation from the content of its JSON file; metrics that are not finite numbers are left out."""
    metrics = {str(key): float(value) for key, value in dict(content.get("metrics") or {}).items() if _number(value)}
    name = str(content.get("name") or name)
    return Result(
        name=name,
        model=str(content.get("model") or "trained"),
        split=str(content.get("split") or name or "test"),
        metrics=metrics,
        protocol=dict(content.get("protocol") or {}),
        arrays=arrays,
    )


def read_ranking(path: str | Path) -> Ranking:
    """Read the arrays of an evaluation, without pickle.

    Raises:
        KinsightError: an array is missing, is no plain array, or its rows do not fit the others.
    """
    names = tuple(Ranking.__dataclass_fields__)
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in names if name not in stored]
            if missing:
                raise KinsightError(f"{path} has no array {missing[0]}; evaluate the run again to write it anew")
            values = {name: stored[name] for name in names}
            if "names" in stored:  # classes as a person calls them, where the table does
                values["labels"] = stored["names"]
            ranking = Ranking(**values)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise KinsightError(f"{path} cannot be read ({problem}); evaluate the run again to write it anew") from None
    _check(ranking, path)
    return ranking


def _check(ranking: Ranking, path: str | Path) -> None:
    rows, queries = len(ranking.ids), len(ranking.query_rows)
    for name, expected in (
        ("paths", (rows,)),
        ("labels", (rows,)),
        ("vectors", (rows, *ranking.vectors.shape[1:2])),
        ("neighbours", (queries, *ranking.neighbours.shape[1:2])),
        ("scores", ranking.neighbours.shape),
        ("precision_at_1", (queries,)),
        ("average_precision", (queries,)),
    ):
        shape = getattr(ranking, name).shape
        if shape != expected:
            raise KinsightError(f"{path}: {name} has shape {shape}, expected {expected}; evaluate the run again")
    for name in ("query_rows", "neighbours"):
        values = getattr(ranking, name)
        if values.size and (values.max() >= rows or values.min() < -1):
            raise KinsightError(f"{path}: {name} points outside the {rows} rows; evaluate the run again")


def _mapping(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise KinsightError(f"{path} holds a {type(content).__name__}, expected an object of names; write it anew")
    return content


def _result(path: Path) -> Result:
    arrays = path.with_suffix(".npz")
    return result_of(_mapping(path), path.stem, arrays if arrays.exists() else None)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            # A run that was killed may leave its last line half written; any other broken line is damage.
            if number == len(texts):
                break
            raise KinsightError(
                f"{path} line {number} is not valid JSON; remove the line or restore the file"
            ) from None
        if isinstance(line, dict):
            found.append(line)
    return found


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
