"""A run of two streams opened to be measured on pairs: its model, and the two pictures of every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.load import load
from kinsight.api.numbers import require_seed, require_whole
from kinsight.api.opened_run import evaluation_data, rows_of
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.explanation.measuring.orientation import Streams
from kinsight.files import write_json
from kinsight.models import TwoStreams
from kinsight.models.embedder import Embedder
from kinsight.processes import device
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol


@dataclass(frozen=True)
class ViewPairs:
    """N pairs of pictures.

    Attributes:
        names: what each pair is called.
        street, aerial: the paths.
        headings: (N,), degrees; None where the table has none, or not of all.
    """

    names: list[str]
    street: list[str]
    aerial: list[str]
    headings: np.ndarray | None

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class OpenedPairs:
    """The model of a run and the pairs it is measured on.

    Attributes:
        folder: the run.
        model: its model.
        pairs: those of the split.
        validation: those of the validation split, where another split is measured and these have headings; else None.
        protocol: what moves the numbers.
    """

    folder: RunFolder
    model: TwoStreams
    pairs: ViewPairs
    validation: ViewPairs | None
    protocol: dict[str, Any]

    def write(self, name: str, result: dict[str, Any]) -> Path:
        """Write a result with its protocol into `maps/`."""
        path = self.folder.maps / f"{name}.json"
        write_json(path, {"name": name, "protocol": self.protocol, **result})
        return path


def explainers(model: object, stage: int) -> Streams:
    """What explains each view of a model: of two streams, or one for both.

    Raises:
        KinsightError: it is no model.
    """
    if isinstance(model, TwoStreams):
        street, aerial = (Explainer(model.stream(name), stage=stage) for name in model.names)
        return Streams(street, aerial)
    if isinstance(model, Embedder):
        both = Explainer(model, stage=stage)
        return Streams(both, both)
    raise KinsightError(
        f"{type(model).__name__} is no model; give a run folder, a model folder, or what kinsight.load gives"
    )


def open_pairs(
    run: str | Path,
    *,
    data: str | Path | None,
    split: str,
    split_by: str | None,
    limit: int | None,
    seed: int,
    which: str,
    columns: Mapping[str, str],
) -> OpenedPairs:
    """A model of a run and the pairs of a split; with `limit` so many of them, drawn from the seed, in order.

    Raises:
        KinsightError: there is no run, its model has one stream, or there is no such split or no pair in it.
    """
    require_whole(1, limit=limit)
    require_seed(seed)
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by, columns=columns)
    model = load(folder.trained_model(which), device=device())
    if not isinstance(model, TwoStreams):
        raise KinsightError(
            f"{folder.path} has a model of one stream, and headings are read between two views; give a run whose recipe names "
            "model.streams, as `--recipe cross-view` does"
        )
    whole = pairs_of(table.iloc[rows_of(table, split, settings.data)], model.names)
    known = set(table["split"]) if split != "validation" else set()
    validation = pairs_of(table[table["split"] == "validation"], model.names) if "validation" in known else None
    pairs = _drawn(whole, limit, seed)
    protocol = {
        "data": data_protocol(table, settings.data), "split": split, "pairs": len(pairs), "drawn_from": len(whole), "seed": seed,
        "model": {"digest": model.digest(), "preprocessing": model.preprocessing.to_dict(), "dim": model.dim},
    }  # fmt: skip
    if validation is not None:
        validation = None if validation.headings is None else _drawn(validation, limit, seed)
    return OpenedPairs(folder, model, pairs, validation, protocol)


def pairs_of(rows: pd.DataFrame, names: tuple[str, ...]) -> ViewPairs:
    """The pairs among rows of a table with the columns `pair` (or `label`) and `view`: each street picture with the first aerial one.

    Args:
        rows: of a table.
        names: what the two views are called in `view`, the panoramas' first.

    Raises:
        KinsightError: the table has no such views, or a pair lacks one.
    """
    if "view" not in rows.columns:
        raise KinsightError(
            f"the table has no column view, which tells the pictures of {' and '.join(names)} apart; add it, and a column pair"
        )
    by = rows["pair" if "pair" in rows.columns else "label"].astype(str)
    street, aerial = (rows[rows["view"].astype(str) == name] for name in names)
    answers = dict(zip(by[aerial.index][::-1], aerial["path"][::-1], strict=True))  # the first one stays
    asked = by[street.index].tolist()
    lonely = [pair for pair in asked if pair not in answers]
    if lonely or not asked:
        missing = (
            f"the pair {lonely[0]} has no picture of the view {names[1]}"
            if lonely
            else f"no picture is of the view {names[0]}"
        )
        raise KinsightError(
            f"{missing}; give a table whose column view says {' or '.join(names)}, with both for every pair"
        )
    headings = pd.to_numeric(street["heading"], errors="coerce").to_numpy(float) if "heading" in rows.columns else None
    if headings is not None and not np.isfinite(headings).all():
        headings = None
    return ViewPairs(asked, street["path"].tolist(), [answers[pair] for pair in asked], headings)


def _drawn(pairs: ViewPairs, limit: int | None, seed: int) -> ViewPairs:
    if limit is None or limit >= len(pairs):
        return pairs
    rows = np.sort(np.random.default_rng(seed).choice(len(pairs), limit, replace=False))
    names, street, aerial = ([values[row] for row in rows] for values in (pairs.names, pairs.street, pairs.aerial))
    return ViewPairs(names, street, aerial, None if pairs.headings is None else pairs.headings[rows])
