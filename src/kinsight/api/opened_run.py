"""A run opened to be measured: its folder, its model, and the rows of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.load import load_one_stream
from kinsight.api.numbers import require_seed, require_whole
from kinsight.data import read_boxes, require_sound
from kinsight.data.columns import BOX
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.explanation.measuring.partners import BEST
from kinsight.files import require_writable, write_json
from kinsight.models import Embedder
from kinsight.processes import device
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol
from kinsight.settings.parsing import settings_from
from kinsight.settings.training import DataSettings, TrainingSettings
from kinsight.training.tables import prepare_table, read_named


@dataclass(frozen=True)
class OpenedRun:
    """The model of a run and the pictures its maps are measured on.

    Attributes:
        folder: the run.
        model: its model.
        explainer: the model, opened.
        table: the rows of the split.
        protocol: what moves the numbers.
    """

    folder: RunFolder
    model: Embedder
    explainer: Explainer
    table: pd.DataFrame
    protocol: dict[str, Any]

    @property
    def pictures(self) -> list[str]:
        """The paths."""
        return self.table["path"].tolist()

    @property
    def labels(self) -> np.ndarray:
        """The classes, (N,)."""
        return self.table["label"].to_numpy()

    @property
    def boxes(self) -> np.ndarray:
        """(N, 4), NaN where there is none.

        Raises:
            KinsightError: the table has no boxes.
        """
        if not set(BOX) <= set(self.table.columns):
            raise KinsightError(
                f"the data of {self.folder.path} have no boxes; add the columns {', '.join(BOX)} to their table, or give "
                "--data with one that has them"
            )
        return read_boxes(self.table)

    def record(self, **more: str) -> dict[str, str]:
        """What was measured, fact by fact, for a person."""
        known = self.protocol
        return {
            "run": str(self.folder.path),
            "data": str(known["data"]["source"]),
            "pictures": f"{known['pictures']} of {known['drawn_from']} ({known['split']})",
            "map": "the model's last" if not known["stage"] else f"{known['stage']} stages below the model's last",
            "model": f"{known['model']['dim']} dimensions, digest {known['model']['digest']}",
            **more,
        }

    def write(self, name: str, result: dict[str, Any]) -> Path:
        """Write a result with its protocol into `maps/`."""
        path = self.folder.maps / f"{name}.json"
        write_json(path, {"name": name, "protocol": self.protocol, **result})
        return path


def open_run(
    run: str | Path,
    *,
    data: str | Path | None = None,
    split: str = "test",
    split_by: str | None = None,
    stage: int = 0,
    limit: int | None = None,
    seed: int = 0,
    which: str = "best",
    columns: Mapping[str, str] | None = None,
) -> OpenedRun:
    """A model of a run, its best or last, opened, and the rows of a split; with `limit` so many of them, drawn from the seed, in order.

    Args:
        columns: how `data` is read, where not as usual.

    Raises:
        KinsightError: there is no run, no such split, or the run crops its pictures to boxes.
    """
    require_whole(0, stage=stage)
    require_whole(1, limit=limit)
    require_seed(seed)
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by, columns=columns)
    rows = rows_of(table, split, settings.data)
    if settings.data.crop_to_box:
        raise KinsightError(
            f"{folder.path} cuts its pictures to their boxes, so that there is nothing left to find; measure a run that was "
            "trained on whole pictures"
        )
    whole = len(rows)
    if limit is not None and limit < whole:
        rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
    model = load_one_stream(folder.trained_model(which), device=device())
    protocol = {
        "data": data_protocol(table, settings.data), "split": split, "pictures": len(rows), "drawn_from": whole, "stage": stage,
        "seed": seed,
        "model": {"digest": model.digest(), "preprocessing": model.preprocessing.to_dict(), "dim": model.dim},
    }  # fmt: skip
    return OpenedRun(folder, model, Explainer(model, stage=stage), table.iloc[rows].reset_index(drop=True), protocol)


def evaluation_data(
    folder: RunFolder,
    *,
    data: str | Path | None,
    split: str,
    split_by: str | None,
    columns: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, TrainingSettings]:
    """The table that a run is measured on, its own or another, and the settings with its place.

    Args:
        columns: of another table: `root`, `path_column` and `label_column` where they are given.

    Raises:
        KinsightError: the data have changed since the training, or the split is not sound.
    """
    settings = settings_from(folder.settings())
    if data is not None:
        known = {"root": None, "path_column": None, "label_column": None} | dict(columns or {})
        settings.data = replace(settings.data, path=str(data), split="train", split_by=split_by, fold=None, **known)
    elif split_by is not None:
        settings.data = replace(settings.data, split_by=split_by, fold=None)
    return _evaluation_table(settings.data, folder, split, own=data is None and split_by is None), settings


def _evaluation_table(data: DataSettings, folder: RunFolder, split: str, *, own: bool) -> pd.DataFrame:
    if own:
        table = prepare_table(data)
        known = folder.read_protocol().data.digest
        found = data_protocol(table, data)["digest"]
        if known is not None and known != found:
            raise KinsightError(
                f"{data.path} has changed since {folder.path} was trained (other pictures, labels or splits); "
                "restore it, or name it with --data to evaluate on it as other data"
            )
        return table
    table = read_named(data)
    sound_rows(table, split, data)
    return table


def sound_rows(table: pd.DataFrame, split: str, data: DataSettings) -> np.ndarray:
    """The rows of a split, or all, of a table that nothing was trained on.

    Raises:
        KinsightError: there are none, or they are not sound.
    """
    rows = rows_of(table, split, data)
    # Only these rows must be sound, and they are evaluated whatever their split is called.
    chosen = table.iloc[rows].assign(split="test")
    chosen.attrs.update(table.attrs)
    require_sound(chosen, seen_classes_allowed=True, evaluation_only=True)
    return rows


def rows_of(table: pd.DataFrame, split: str, data: DataSettings) -> np.ndarray:
    """The rows of a split, or all.

    Raises:
        KinsightError: it has no pictures.
    """
    rows = np.arange(len(table)) if split == "all" else np.flatnonzero((table["split"] == split).to_numpy())
    if not len(rows):
        if data.split == "all":
            raise KinsightError(
                f"every class of {data.path} was trained on (--data.split all), so that none is unseen; measure other data with --data, or "
                "say with --split train that seen classes are meant"
            )
        known = ", ".join(sorted(map(str, set(table["split"]))))
        raise KinsightError(f"{data.path} has no pictures in the split '{split}'; it has: {known}, all")
    return rows


def result_name(kind: str, split: str, stage: int, partners: str = BEST) -> str:
    """What a result is called in `maps/`: `localization-test-stage-1`."""
    parts = [
        kind,
        split,
        *([f"stage-{stage}"] if stage else []),
        *([partners.replace(" ", "-")] if partners != BEST else []),
    ]
    return "-".join(parts)


def require_page(out: str | Path) -> None:
    """Refuse, before anything is measured, what cannot become a page.

    Raises:
        KinsightError: it does not end in .html, or cannot be written there.
    """
    if Path(out).suffix.lower() != ".html":
        raise KinsightError(f"{Path(out).name!r} is not a page; write a name that ends in .html")
    require_writable(out)
