"""Run folders with known numbers, written by hand in the form of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kinsight.files import digest, write_json, write_npz, write_text
from kinsight.settings.recipe import merge

CLASSES, PER_CLASS = 6, 5
QUERIES = CLASSES * PER_CLASS
RANKING = ("precision_at_1", "map_at_r", "r_precision")


def write_run(
    folder: Path,
    values: dict[str, float] | None = None,
    *,
    seed: int = 0,
    fold: int | None = None,
    recipe: dict[str, Any] | None = None,
    name: str = "test",
    split: str = "test",
    queries: np.ndarray | None = None,
    protocol: dict[str, Any] | None = None,
    measured: dict[str, Any] | None = None,
    digest_of_model: str | None = None,
) -> Path:
    """A finished run with one evaluation.

    Args:
        values: metrics; without, those of `queries`.
        recipe, protocol, measured: changes to the settings, to protocol.json, to the protocol of the evaluation.
        queries: the value of every query (Q,), written as each ranking metric; without, no arrays are written.
        digest_of_model: by default one of the folder's own.
    """
    validation = fold is not None
    data = {
        "source": "birds.zip",
        "rendered": False,
        "split_by": "halves",
        "fold": fold,
        "folds": 4,
        "crop_to_box": False,
        "augmentation": "mild",
        "splits": {
            "train": {"pictures": 90 if validation else 120, "classes": 18 if validation else 24},
            **({"validation": {"pictures": 30, "classes": 6}} if validation else {}),
            "test": {"pictures": QUERIES, "classes": CLASSES},
        },
        "digest": digest("birds", str(fold)),
    }
    settings = {"data": {"path": "/data/birds.zip", "fold": fold}, "model": {"trunk": "resnet18"}, "seed": seed}
    write_text(folder / "recipe.yaml", yaml.safe_dump(merge(settings, recipe or {})))
    training = {
        "seed": seed,
        "minutes": 10.0 + seed,
        "device": "cpu",
        "threads": 1,
        "processes": 1,
        "precision": "fp32",
    }
    selection = {"by": "map_at_r", "step": 30, "value": 0.5} if validation else {"by": "last_step", "step": 40}
    written = {
        "data": data,
        "model": {"parameters": 2_500_000, "dim": 16},
        "training": training,
        "versions": {"torch": "2.6.0"},
        "selection": selection,
    }
    write_json(folder / "protocol.json", merge(written, protocol or {}))
    if values is None:
        assert queries is not None
        values = {key: float(queries.mean()) for key in RANKING} | {"nmi": 0.5}
    evaluation = {
        "definitions": 1,
        "similarity": "cosine",
        "ks": [1, 2],
        "dimension": 16,
        "whole_gallery_ranks": True,
        "queries": QUERIES,
        "gallery": QUERIES,
        "classes": CLASSES,
        "clustering": {"method": "k-means", "clusters": CLASSES, "iterations": 20},
        "intervals": {"level": 0.95},
        "labels_digest": digest(split, str(fold) if split == "validation" else ""),
        "versions": {"torch": "2.6.0"},
        "data": data,
        "model": {"digest": digest_of_model or digest(str(folder)), "dim": 16},
        "seconds": 1.5 + seed,
    }
    content = {
        "name": name,
        "model": "untrained" if name.endswith("untrained") else "trained",
        "split": split,
        "metrics": values,
        "protocol": merge(evaluation, measured or {}),
    }
    write_json(folder / "evaluation" / f"{name}.json", content)
    if queries is not None:
        write_npz(folder / "evaluation" / f"{name}.npz", arrays_of(queries))
    return folder


def arrays_of(queries: np.ndarray) -> dict[str, np.ndarray]:
    """What an evaluation stores of the values of its queries: the table holds the queries in reverse."""
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)[: len(queries)]
    return {
        "ids": np.array([f"{row}.jpg" for row in range(len(queries))])[::-1],
        "labels": labels.astype(str)[::-1],
        "query_rows": np.arange(len(queries))[::-1],
        **dict.fromkeys(RANKING, queries),
    }


def rewritten(run: Path, **arrays: np.ndarray) -> None:
    """Change stored arrays of the evaluation `test`."""
    file = run / "evaluation" / "test.npz"
    with np.load(file) as stored:
        values = dict(stored)
    write_npz(file, values | arrays)
