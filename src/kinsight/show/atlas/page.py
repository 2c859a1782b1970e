"""The atlas as one page to walk in: drawn on a canvas, so that ten thousand pictures move smoothly."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinsight.show.atlas.pictures import COLUMNS, SIDE, atlas_pictures
from kinsight.show.atlas.result import Atlas
from kinsight.show.page import environment
from kinsight.show.plane.crowding import fitted, in_turn, side_by_side
from kinsight.show.plane.layouts import PCA

WIDTH, HEIGHT, MARGIN = 1000.0, 720.0, 24.0  # of the map, in its own units


def atlas_html(atlas: Atlas, *, progress: bool = False) -> str:
    """The page as one HTML text with every style, script and picture inside it; below 40 MB for 10,000 pictures."""
    # The pictures that are drawn first, and over the others, stand first.
    order = in_turn(atlas.labels)
    places, shared = side_by_side(atlas.places)
    at, height = fitted(places, WIDTH, HEIGHT, MARGIN, least=200.0)
    boxes = None if atlas.boxes is None else [atlas.boxes[row] for row in order]
    pictures = atlas_pictures([atlas.paths[row] for row in order], boxes, progress=progress)
    number = {name: place for place, name in enumerate(atlas.classes)}
    data: dict[str, Any] = {
        "width": WIDTH,
        "height": height,
        "x": np.round(at[order, 0], 2).tolist(),
        "y": np.round(at[order, 1], 2).tolist(),
        "label": [number[str(label)] for label in atlas.labels[order]],
        "name": [str(name) for name in atlas.ids[order]],
        "classes": atlas.classes,
        "colours": [atlas.colours[name] for name in atlas.classes],
        "side": SIDE,
        "columns": COLUMNS,
        "lengths": [len(text) for text in pictures.larger],
        "largerSide": pictures.side,
    }
    pictured = sum(map(bool, pictures.larger))
    return (
        environment()
        .get_template("atlas_page.html")
        .render(
            source=atlas.source,
            split=atlas.split,
            words=atlas.words(),
            far="all but two of the directions are not seen"
            if atlas.layout == PCA
            else "distances between far groups mean nothing",
            colour_words=atlas.colour_words(),
            shared=shared,
            missing=len(order) - pictured,
            count=len(order),
            data=data,
            sheets=pictures.sheets,
            larger="".join(pictures.larger),
        )
    )
