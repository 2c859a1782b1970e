"""The page of a head's groups: what each looks at and finds alone, how alike they are, and which parts they stand for.

Figures 3 to 5 of "Attentive Grouping", and the numbers that they stand for.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from kinsight.evaluation import Estimate
from kinsight.explanation.measuring.boxes import to_input
from kinsight.show.groups.result import GroupsResult
from kinsight.show.page import environment
from kinsight.show.signed_colours import signed_ramp
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 240, 14_000  # pixels of a picture's longer side, and its bytes
DRAWN = 72  # pixels of a map's longer side; the browser smooths between them
LEVELS = 127  # colours of a map, zero in the middle

# What the maps of each kind are called, and what they show.
KINDS = {
    "attention": (
        "attention",
        "A group's attention is the weights with which it averages the places of the feature map; over a picture they add up to 100 %.",
    ),
    "response": (
        "response",
        "This head has no attention: its groups weigh channels. A group's response is the weighed map of the one channel that says most "
        "to it in this picture.",
    ),
    "contributions": (
        "contribution",
        "This head shows nothing of itself, so its exact contributions stand for where a group looks: what each place adds to the group's "
        "embedding, as a share of it.",
    ),
}
METRICS = {"recall_at_1": "R@1", "map_at_r": "MAP@R"}


def groups_html(found: GroupsResult, picture: Callable[[int], np.ndarray]) -> str:
    """The page as one HTML text with every style and picture inside it.

    Args:
        found: the groups.
        picture: gives what the network saw of a row, (H, W, 3) uint8; asked only for the pictures that are shown.
    """
    tiles = _Tiles(found, picture)
    word, sentence = KINDS[found.groups.kind]
    numbers = range(found.groups.count)
    return (
        environment()
        .get_template("groups.html")
        .render(
            found=found,
            word=word,
            sentence=sentence,
            dim=found.groups.vectors.shape[2],
            both=found.groups.kind != "contributions",
            rows=[_row("all groups", found.whole), *(_row(f"group {one}", found.alone[one]) for one in numbers)],
            most=_most(found),
            metrics=METRICS,
            favourites=[found.favourite(one) for one in numbers],
            sections=[[tiles.tile(row, one) for row in found.groups.strongest(one, found.top)] for one in numbers],
            matrices=_matrices(found),
            confusion=_confusion(found),
            distinct=found.distinct(),
            rendered=bool(found.protocol.get("data", {}).get("rendered")),
            beside=[tiles.row(row) for row in found.shown],
        )
    )


class _Tiles:
    """Pictures with maps over them; a picture is read and encoded once."""

    def __init__(self, found: GroupsResult, picture: Callable[[int], np.ndarray]) -> None:
        self.found = found
        self._picture = picture
        self._known: dict[int, tuple[str, tuple[int, int]]] = {}

    def row(self, row: int) -> dict[str, Any]:
        """A picture and its tile for every group."""
        uri, (height, width) = self._shown(row)
        groups = [self.tile(row, group) for group in range(self.found.groups.count)]
        return {"picture": uri, "aspect": width / height, "groups": groups, **self._names(row)}

    def tile(self, row: int, group: int) -> dict[str, Any]:
        """A picture as one group sees it."""
        groups = self.found.groups
        uri, size = self._shown(row)
        looks, adds = groups.looks[row, group], groups.contributions[row, group]
        window = groups.windows[row]
        x, y = to_input(np.tile(groups.peaks[row, group], 2), tuple(window), (1, 1))[:2]  # shares of the window
        return {
            "picture": uri,
            "aspect": size[1] / size[0],
            "look": self._map(looks, size),
            "adds": self._map(adds, size) if groups.kind != "contributions" else "",
            "value": f"{looks.max():.3g}" if groups.kind == "response" else f"{100 * looks.max():.0f} %",
            "peak": (f"{100 * x:.1f}", f"{100 * y:.1f}"),
            "part": self.found.part_of(row, group),
            **self._names(row),
        }

    def _names(self, row: int) -> dict[str, str]:
        # Names of folders break into lines where they have blanks.
        return {"label": str(self.found.labels[row]).replace("_", " "), "id": str(self.found.ids[row])}

    def _shown(self, row: int) -> tuple[str, tuple[int, int]]:
        """The data URI of a picture and its height and width."""
        if row not in self._known:
            pixels = self._picture(int(row))
            self._known[row] = data_uri(Image.fromarray(pixels), SIDE, LIMIT), (pixels.shape[0], pixels.shape[1])
        return self._known[row]

    def _map(self, values: np.ndarray, size: tuple[int, int]) -> str:
        """A map as a small picture in colours that stand for shares of its own largest value, clear at zero."""
        shrink = DRAWN / max(size)
        drawn = self.found.groups.centres.scaled((max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))))
        pixels = drawn.upsample(values)  # (H, W)
        half = LEVELS // 2
        shares = pixels / (np.abs(values).max() or 1)
        image = Image.fromarray(np.round(np.clip(shares, -1, 1) * half + half).astype(np.uint8))
        ramp = signed_ramp()[np.linspace(0, len(signed_ramp()) - 1, LEVELS).round().astype(int)]
        image.putpalette(ramp.tobytes(), "RGBA")
        stream = io.BytesIO()
        image.save(stream, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _row(name: str, metrics: dict[str, float]) -> dict[str, Any]:
    return {"name": name, "estimates": {key: Estimate.of(metrics, key) for key in METRICS}}


def _most(found: GroupsResult) -> dict[str, float]:
    """The largest end of any interval of each metric, which all are drawn against."""
    every = [found.whole, *found.alone]
    return {key: max(_largest(Estimate.of(metrics, key)) for metrics in every) or 1.0 for key in METRICS}


def _largest(estimate: Estimate) -> float:
    return estimate.ends[1] if estimate.ends else estimate.value


def _matrices(found: GroupsResult) -> list[dict[str, Any]]:
    return [
        {
            "title": "How alike their embeddings are",
            "note": "Mean cosine of two groups of the same picture: 1 where they say the same, 0 where they have nothing in common. "
            "The diversity loss keeps it small.",
            "values": found.groups.similarity,
        },
        {
            "title": "How much of what they look at they share",
            "note": "Mean share of the map that two groups have in common: 1 where they look at the same places with the same weights, "
            "0 where at different ones.",
            "values": found.groups.overlap,
        },
    ]


def _confusion(found: GroupsResult) -> list[tuple[str, list[float]]]:
    """Each part with its share of the pictures for every group."""
    if isinstance(found.parts, str):
        return []
    return list(zip(found.parts.parts, found.parts.shares.T.tolist(), strict=True))
