"""What a page needs to show pairs: numbers packed small, and each picture once."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from kinsight.explanation.pair import FEWEST, Pair, Side
from kinsight.explanation.view import View
from kinsight.files import digest
from kinsight.show.signed_colours import packed_ramp, signed_ramp, spotlight_ramp
from kinsight.show.thumbnails import data_uri

PICTURE_SIDE = 720  # pixels of the longer side
PICTURE_BYTES = 120_000
MATCHES = 5  # marked before anybody points
LEVELS = 32767  # of a tensor on each side of zero

# Beyond these a reader is warned.
COMPLETENESS = 1e-4
AFFINITY = 1e-3


def page_data(pairs: Sequence[Pair], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything about the pairs as plain JSON values.

    A tensor travels as int16 with one scale factor, so that each of its values is off by at most half a step, 1/65534 of the largest; the
    overall maps travel beside it as float32, because sums of many such values would be off by more.
    """
    pictures = _Pictures()
    return {
        "pairs": [_pair(pair, pictures) for pair in pairs],
        "names": None if names is None else list(names),
        "pictures": pictures.encoded,
        "ramps": {"spotlight": packed_ramp(spotlight_ramp()), "colours": packed_ramp(signed_ramp())},
        "tolerances": {"completeness": COMPLETENESS, "affinity": AFFINITY, "places": min(FEWEST)},
    }


def short_name(view: View, otherwise: str) -> str:
    """The file's name without its folders."""
    return PurePath(view.name).name or otherwise


def packed_tensor(tensor: np.ndarray) -> tuple[str, float]:
    """The values as base64 of little-endian int16, and what one step is worth."""
    step = float(np.abs(tensor).max(initial=0)) / LEVELS
    steps = np.round(tensor / step) if step else np.zeros(tensor.shape)
    return _base64(steps, "<i2"), step


def _pair(pair: Pair, pictures: _Pictures) -> dict[str, Any]:
    tensor, step = packed_tensor(pair.tensor)
    return {
        "similarity": pair.similarity,
        "right": pair.same_class,
        "terms": list(pair.terms),
        "completeness": pair.completeness_error,
        "affinity": pair.affinity_error,
        "tensor": tensor,
        "step": step,
        "stage": pair.stage,
        "limits": _limits(pair),
        "matches": [match._asdict() for match in pair.matches(MATCHES)],
        "query": _view(pair, "query", pictures),
        "other": _view(pair, "other", pictures),
    }


def _view(pair: Pair, side: Side, pictures: _Pictures) -> dict[str, Any]:
    view = pair.query if side == "query" else pair.other
    # The size is the network's; a picture may have been squashed for it, and is shown as it was.
    height, width = view.size if view.picture is None else view.picture.shape[:2]
    return {
        "name": short_name(view, f"{side} picture"),
        "path": view.name,
        "label": view.label,
        "picture": pictures.number(view.picture),
        "aspect": width / height,
        "grid": view.grid,
        "size": view.size,
        "centres": [[axis.first, axis.step] for axis in (view.drawn_at.rows, view.drawn_at.columns)],
        "overall": _base64(pair.overall(side), "<f4"),
        "with_bias": _base64(pair.overall(side, bias=True), "<f4"),
    }


def _limits(pair: Pair) -> dict[str, float]:
    """The values that take the full colour on a fixed scale: of overall maps the largest, of points one that nine in ten places stay below.

    A few pairs of places often say far more than all others, which would be too pale to be seen beside them.
    """
    strength = np.abs(pair.tensor)
    strongest = np.concatenate([strength.max((2, 3)).ravel(), strength.max((0, 1)).ravel()])
    sides: tuple[Side, Side] = ("query", "other")
    return {
        "point": float(np.quantile(strongest, 0.9)) or float(strongest.max()),
        "overall": max(float(np.abs(pair.overall(side)).max()) for side in sides),
        "with_bias": max(float(np.abs(pair.overall(side, bias=True)).max()) for side in sides),
    }


class _Pictures:
    """Pictures as data URIs, each once however many pairs it belongs to."""

    def __init__(self) -> None:
        self.encoded: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, picture: np.ndarray | None) -> int | None:
        if picture is None:
            return None
        key = digest(picture)
        if key not in self._numbers:
            self._numbers[key] = len(self.encoded)
            self.encoded.append(data_uri(Image.fromarray(picture), PICTURE_SIDE, PICTURE_BYTES))
        return self._numbers[key]


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()
