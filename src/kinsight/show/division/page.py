"""The page of a division, pictures first."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from kinsight.show.charts import Chart, Series, line_chart
from kinsight.show.division.conclusion import conclusion
from kinsight.show.division.result import TITLES, DivisionResult, cells
from kinsight.show.page import environment
from kinsight.show.plane.colours import hue
from kinsight.show.plane.crowding import spread
from kinsight.show.splits import split_title
from kinsight.show.thumbnails import thumbnail

MAP_WIDTH, MAP_HEIGHT, TILE = 1000, 700, 34
PICTURED = 160


def division_html(found: DivisionResult) -> str:
    """The page as one HTML text with every style and picture inside it."""
    pictures = _Thumbnails()
    clusters = len(found.masks)
    return (
        environment()
        .get_template("division.html")
        .render(
            run=found.run,
            unseen=split_title(found.split),
            clusters=clusters,
            tree=found.tree,
            small=pictures,
            charts=_charts(found),
            masks=_picture(found.masks / max(found.masks.max(initial=0), 1e-12)),
            largest=f"{found.masks.max(initial=0):.2f}",
            dimensions=found.masks.shape[1],
            overlap=[[(f"{value:.2f}", f"{value:.3f}") for value in row] for row in found.overlap.tolist()],
            titles=TITLES,
            spaces=[(name, cells(state)) for name, state in found.spaces.items()],
            found=found.found,
            modes=found.modes,
            maps=[(half, plane, _map(*places, clusters=clusters)) for (half, plane), places in found.maps.items()],
            conclusion=conclusion(found),
            hue=lambda number: _hue(number, clusters),
        )
    )


def _charts(found: DivisionResult) -> list[Chart]:
    steps = [each for each in found.divisions if "agreement" in each]
    if len(steps) < 2:
        return []
    epochs = np.array([each["epoch"] for each in steps], float)
    named = {"same cluster": "agreement", "NMI": "nmi"}
    series = [Series(name, epochs, np.array([each[key] for each in steps])) for name, key in named.items()]
    svg = line_chart(series, "How many pictures stay in their cluster at each division", across_name="epoch")
    legend = [(each.name, f"{each.y[-1]:.2f}") for each in series]
    return [Chart("Pictures that stay", svg, legend)]


def _map(places: np.ndarray, clusters_of: np.ndarray, paths: list[str], *, clusters: int) -> Markup:
    """Pictures and dots in the plane, coloured by cluster, as SVG."""
    low, high = places.min(0), places.max(0)
    scale = (np.array([MAP_WIDTH, MAP_HEIGHT]) - 2 * TILE) / np.maximum(high - low, 1e-9)
    at = (places - low) * scale + TILE
    pictured = set(spread(at, clusters_of, PICTURED, gap=TILE))
    dots, pictures = [], []
    for number, (x, y) in enumerate(at.tolist()):
        hue = _hue(int(clusters_of[number]), clusters)
        if number in pictured:
            corner = f'x="{x - TILE / 2:.1f}" y="{y - TILE / 2:.1f}" width="{TILE}" height="{TILE}"'
            pictures.append(
                f'<image {corner} preserveAspectRatio="xMidYMid slice" href="{thumbnail(paths[number], 64, 2500)}"/>'
                f'<rect {corner} fill="none" stroke-width="2.5" style="stroke:{hue}"/>'
            )
        else:
            dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:{hue}"/>')
    inside = "".join([*dots, *pictures])
    return Markup(f'<svg viewBox="0 0 {MAP_WIDTH} {MAP_HEIGHT}" role="img">{inside}</svg>')


def _hue(number: int, clusters: int) -> str:
    if number < 0:
        return "var(--pale)"
    return f"oklch(var(--dot-light) var(--dot-chroma) {hue(number, clusters)})"


def _picture(values: np.ndarray) -> str:
    """Values (K, D) from 0 to 1 as a grey picture, a pixel a number."""
    stream = io.BytesIO()
    Image.fromarray((255 * (1 - values.clip(0, 1))).astype(np.uint8)).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


class _Thumbnails:
    """Small pictures, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> Any:
        if path not in self._known:
            self._known[path] = thumbnail(path, 96, 3_500)
        return self._known[path]
