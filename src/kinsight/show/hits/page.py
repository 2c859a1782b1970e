"""The page of a search: the query with what counts of it, the hits with what answers, and for each why it was found. One file, offline."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from kinsight.explanation import Pair, View
from kinsight.explanation.regions import Region, place_weights
from kinsight.explanation.window import to_input
from kinsight.retrieval.hits import AnswerBox, Found, Hit
from kinsight.show.hits.table import question
from kinsight.show.page import environment
from kinsight.show.pair.page import framed_page
from kinsight.show.thumbnails import PLACEHOLDER, data_uri, thumbnail

_SIDE, _BYTES = 320, 24_000  # of a hit's picture
_QUERY_SIDE, _QUERY_BYTES = 640, 80_000
_COLUMNS = 6
_PAINT = (196, 99, 43)  # what counts; what must not is drawn in the other colour
_SUBTRACTED = (74, 111, 181)


def hits_html(found: Found) -> str:
    """The page as one HTML text with every style, script and picture inside it."""
    pairs = [Pair(found.query, hit.view) for hit in found if hit.view is not None]
    numbers = iter(range(len(pairs)))
    return (
        environment()
        .get_template("hits.html")
        .render(
            question=question(found),
            query=_query(found.query, found.regions),
            hits=[_hit(hit, next(numbers) if hit.view is not None else None) for hit in found],
            best=max((hit.score for hit in found), default=1.0),
            where=found.where,
            by=found.by,
            answered=any(hit.answer for hit in found),
            region=_held(found),
            frame=framed_page(pairs) if pairs else "",
        )
    )


def _query(view: View, regions: Sequence[Region]) -> dict[str, Any]:
    boxes = [region for region in regions if not isinstance(region.where, np.ndarray)]
    masks = [region for region in regions if isinstance(region.where, np.ndarray)]
    return {
        "name": PurePath(view.name).name or "the picture",
        "picture": _picture(view, _QUERY_SIDE, _QUERY_BYTES),
        "aspect": _aspect(view),
        "boxes": [
            (_share(region.where, view), region.weight) for region in boxes if not isinstance(region.where, np.ndarray)
        ],
        "painted": [_painted(view, region) for region in masks],
    }


def _hit(hit: Hit, pair: int | None) -> dict[str, Any]:
    view = hit.view
    columns = [(name, value) for name, value in hit.columns.items() if value is not None]
    return {
        "name": PurePath(hit.id).name,
        "id": hit.id,
        "score": hit.score,
        "columns": columns[:_COLUMNS],
        "problem": hit.problem,
        "pair": pair,
        "picture": thumbnail(hit.path, _SIDE, _BYTES) if view is None else _picture(view, _SIDE, _BYTES),
        "aspect": 1.0 if view is None else _aspect(view),
        "answer": None if view is None or hit.answer is None else _share(hit.answer, view),
    }


def _share(box: AnswerBox, view: View) -> tuple[float, float, float, float]:
    """Left, top, width and height as shares of the picture that is shown."""
    height, width = view.size
    inside = to_input(np.array(box), view.window or (0.0, 0.0, float(width), float(height)), view.size)
    left, top, right, bottom = np.clip(inside / [width, height, width, height], 0, 1).tolist()
    return left, top, right - left, bottom - top


def _aspect(view: View) -> float:
    height, width = view.size if view.picture is None else view.picture.shape[:2]
    return width / height


def _picture(view: View, side: int, limit: int) -> str:
    return PLACEHOLDER if view.picture is None else data_uri(Image.fromarray(view.picture), side, limit)


def _painted(view: View, region: Region) -> str:
    """What a mask covers, as a picture that is laid over the query: by places, as it counts."""
    shares = np.abs(place_weights(view, [Region(region.where)]))
    pixels = np.clip(view.drawn_at.upsample(shares), 0, 1)  # (H, W)
    colour = np.broadcast_to(np.array(_PAINT if region.weight > 0 else _SUBTRACTED, np.uint8), (*pixels.shape, 3))
    alpha = (pixels * 150).astype(np.uint8)[..., None]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([colour, alpha], 2), "RGBA").save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _held(found: Found) -> list[float] | None:
    """The query's box in pixels as the network sees them (top, left, bottom, right), where it is one: the pair opens with it held."""
    if len(found.regions) != 1 or isinstance(found.regions[0].where, np.ndarray) or found.regions[0].weight < 0:
        return None
    left, top, width, height = _share(found.regions[0].where, found.query)
    tall, wide = found.query.size
    return [top * tall, left * wide, (top + height) * tall, (left + width) * wide]
