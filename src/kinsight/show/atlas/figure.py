"""The atlas as one still figure for a paper: thumbnails framed in the colours of their classes."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from kinsight.files import writing
from kinsight.show.atlas.pictures import opened, squared
from kinsight.show.atlas.result import Atlas
from kinsight.show.plane.crowding import fitted, side_by_side, spread

WIDTH, DPI = 3000, 300  # ten inches wide
SMALLEST, LARGEST = 0.016, 0.06  # the side of a thumbnail, as a share of the width
NAMED = 12  # classes that a legend has room for
INK = "#20242a"


def write_atlas_figure(path: str | Path, atlas: Atlas, width: int = WIDTH) -> None:
    """Write the atlas as a PNG: no thumbnail covers another, what has no room is a dot under them.

    Thumbnails are taken class by class in turn, so that the same atlas gives the same figure.
    """
    count = len(atlas.ids)
    tile = round(width * float(np.clip(0.7 / math.sqrt(max(count, 1)), SMALLEST, LARGEST)))
    places, _ = side_by_side(atlas.places)
    at, height = fitted(places, width, 0.8 * width, tile, least=3 * tile)
    legend = _legend(atlas, width)
    figure = Image.new("RGB", (width, round(height) + (0 if legend is None else legend.height)), "white")
    pen = ImageDraw.Draw(figure)
    colours = [atlas.colours[str(label)] for label in atlas.labels]
    pictured = {}
    for row in spread(at, atlas.labels, count, gap=tile + 2):
        box = None if atlas.boxes is None else atlas.boxes[row]
        picture = opened(atlas.paths[row], tile, box)
        if picture is not None:
            pictured[row] = picture if picture.size == (tile, tile) else squared(picture, tile)
    radius = max(tile / 10, 5)
    for row, (x, y) in enumerate(at.tolist()):
        if row not in pictured:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours[row])
    frame = max(round(tile * 0.09), 3)
    for row, picture in pictured.items():
        left, top = (round(value - tile / 2) for value in at[row].tolist())
        pen.rectangle((left, top, left + tile - 1, top + tile - 1), fill=colours[row])
        figure.paste(squared(picture, tile - 2 * frame), (left + frame, top + frame))
    if legend is not None:
        figure.paste(legend, (0, round(height)))
    with writing(path) as temporary:
        figure.save(temporary, format="PNG", dpi=(DPI, DPI))


def _legend(atlas: Atlas, width: int) -> Image.Image | None:
    """The names of the classes, if they are few."""
    if not 1 < len(atlas.classes) <= NAMED:
        return None
    font = ImageFont.truetype(io.BytesIO(Path(font_manager.findfont("DejaVu Sans")).read_bytes()), round(0.015 * width))
    gap = round(0.013 * width)
    line, box = 2 * gap, gap
    across, rows = float(gap), 0
    spots: list[tuple[float, int, str]] = []
    for name in atlas.classes:
        shown = " ".join(name.split())
        shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
        needed = 1.5 * box + font.getlength(shown) + gap
        if across + needed > width and across > gap:
            across, rows = float(gap), rows + 1
        spots.append((across, rows, shown))
        across += needed
    legend = Image.new("RGB", (width, (rows + 1) * line + gap), "white")
    pen = ImageDraw.Draw(legend)
    for (left, row, shown), name in zip(spots, atlas.classes, strict=True):
        top = row * line + gap // 2
        pen.rectangle((left, top + box // 4, left + box, top + box // 4 + box), fill=atlas.colours[name])
        pen.text((left + 1.5 * box, top), shown, fill=INK, font=font)
    return legend
