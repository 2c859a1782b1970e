"""Pictures whose parts are known: the heads of birds as points, the parts of rendered scenes as masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from kinsight.data import read_part_labels, read_part_mask, read_parts
from kinsight.explanation import Explainer, View

HEAD = ("beak", "crown", "forehead", "left eye", "nape", "right eye", "throat")
POINT = ("crown", "forehead", "left eye", "right eye", "throat")  # round the middle of the head
LEAST = 12  # pixels of a part that shows
Box = tuple[float, float, float, float]


class Part(NamedTuple):
    """A part of a picture: the box round it, and its middle, in pixels of the upright picture."""

    box: Box
    point: tuple[float, float]


class Target(NamedTuple):
    """A picture with a part that shows: its view and its class."""

    view: View
    label: int
    part: Part


def heads(table: pd.DataFrame, explainer: Explainer) -> dict[str, list[Target]]:
    """The birds of a table whose heads show."""
    points = read_parts(table)
    return {
        "head": _targets(
            table, explainer.views(table["path"].tolist()), [_head(points[str(item)]) for item in table["id"]]
        )
    }


def masked(table: pd.DataFrame, explainer: Explainer, names: list[str]) -> dict[str, list[Target]]:
    """By part the pictures of a table in whose masks it shows."""
    numbers = {name: number for number, name in read_part_labels(table).items()}
    masks = [read_part_mask(path) for path in table["part_mask_path"]]
    views = explainer.views(table["path"].tolist())
    return {name: _targets(table, views, [_masked(mask == numbers[name]) for mask in masks]) for name in names}


def _targets(table: pd.DataFrame, views: list[View], parts: list[Part | None]) -> list[Target]:
    labels = table["label"].tolist()
    return [
        Target(view, label, part) for view, label, part in zip(views, labels, parts, strict=True) if part is not None
    ]


def _head(points: dict[str, tuple[float, float]]) -> Part | None:
    """The box round a head's points, a quarter wider on each side, and the middle of the head; None where too little of it is visible."""
    found = np.array([points[name] for name in HEAD if name in points])
    found = found[~np.isnan(found).any(1)]
    middle = np.array([points[name] for name in POINT if name in points])
    middle = middle[~np.isnan(middle).any(1)]
    if len(found) < 4 or len(middle) < 3:
        return None
    low, high = found.min(0), found.max(0)
    wider = np.maximum((high - low) / 4, 2)
    (left, top), (right, bottom) = low - wider, high + wider
    x, y = middle.mean(0).tolist()
    return Part((float(left), float(top), float(right), float(bottom)), (x, y))


def _masked(mask: np.ndarray) -> Part | None:
    """The box round a mask (H, W), and the middle of what it covers; None where it covers too little."""
    rows, columns = np.nonzero(mask)
    if len(rows) < LEAST:
        return None
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return Part(box, (float(columns.mean() + 0.5), float(rows.mean() + 0.5)))
