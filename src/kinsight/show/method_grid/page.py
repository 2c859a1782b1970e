"""The grid of pictures and methods as one page."""

from __future__ import annotations

from PIL import Image

from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.show.overlay import overlay
from kinsight.show.page import environment
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 240, 20_000


def method_grid_html(found: MethodMaps) -> str:
    """The page as one HTML text with every style and picture inside it."""
    rows = [
        {
            "name": name,
            "partner": found.partners[number],
            "similarity": f"{found.similarities[number]:.3f}",
            "picture": data_uri(Image.fromarray(found.pictures[number]), SIDE, LIMIT),
            "maps": [
                (method, data_uri(overlay(found.pictures[number], maps[number], found.centres), SIDE, LIMIT))
                for method, maps in found.maps.items()
            ],
        }
        for number, name in enumerate(found.names)
    ]
    return environment().get_template("method_grid.html").render(rows=rows, meanings=found.meanings)
