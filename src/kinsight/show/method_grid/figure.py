"""The grid of pictures and methods as one still figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.files import writing
from kinsight.show.overlay import overlay

CELL, CAPTION, HEAD = 1.35, 0.22, 0.32  # inches
DPI = 200


def write_method_grid_figure(path: str | Path, found: MethodMaps) -> None:
    """Write the grid as a PNG: a picture a row, a method a column."""
    columns, rows = 1 + len(found.maps), len(found.names)
    width, height = columns * CELL, HEAD + rows * (CELL + CAPTION)
    figure = Figure((width, height), facecolor="white")
    FigureCanvasAgg(figure)
    for row, name in enumerate(found.names):
        picture = found.pictures[row]
        shown = [picture, *(np.asarray(overlay(picture, maps[row], found.centres)) for maps in found.maps.values())]
        for column, pixels in enumerate(shown):
            bottom = height - HEAD - (row + 1) * (CELL + CAPTION) + CAPTION
            box = (column + 0.02) * CELL / width, bottom / height, 0.96 * CELL / width, 0.96 * CELL / height
            axes = figure.add_axes(box)
            axes.imshow(pixels)
            axes.axis("off")
        said = f"{name}  against {found.partners[row]}, {found.similarities[row]:.3f}"
        below = height - HEAD - (row + 1) * (CELL + CAPTION) + 0.05
        # A file's name may hold dollar signs, which are no mathematics.
        figure.text(0.02 * CELL / width, below / height, said, fontsize=6.5, color="#5d646e", parse_math=False)
    for column, method in enumerate(found.maps, start=1):
        figure.text(
            (column + 0.5) * CELL / width, (height - 0.12) / height, method.replace(" no norm", "\nno norm"),
            fontsize=6.5, ha="center", va="center", color="#20242a",
        )  # fmt: skip
    with writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
