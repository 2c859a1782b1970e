"""Pictures with the maps of groups over them, as the pages of groups show them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from kinsight.explanation.measuring.boxes import to_input
from kinsight.explanation.measuring.groups import Groups
from kinsight.show.signed_colours import signed_ramp
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 240, 14_000  # pixels of a picture's longer side, and its bytes
DRAWN = 72  # pixels of a map's longer side; the browser smooths between them
LEVELS = 127  # colours of a map, zero in the middle
LEAST_OF_FULL = 4.0  # times even attention that take the full colour at least
VEIL = 190  # of 255: how dark a place without attention is

# What the maps of each kind are called, and what they show.
KINDS = {
    "attention": (
        "attention",
        "A group's attention is the weights with which it averages the places of the feature map; over a picture they add up to 100 %. "
        "It is drawn against even attention: a group that attends everywhere alike leaves the picture as it is.",
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


class Tiles:
    """Pictures with maps over them; a picture is read and encoded once."""

    def __init__(
        self,
        groups: Groups,
        picture: Callable[[int], np.ndarray],
        *,
        ids: Sequence[str],
        labels: Sequence[object] | np.ndarray,
        part_of: Callable[[int, int], str] = lambda row, group: "",
    ) -> None:
        self.groups = groups
        self._picture, self._ids, self._labels, self._part_of = picture, ids, labels, part_of
        places = groups.looks.shape[2] * groups.looks.shape[3]
        # Attention is drawn against even attention, on one scale for all pictures and groups.
        self._even = places if groups.kind == "attention" else None
        peaks = groups.looks.max((2, 3)) * places
        self.most = max(LEAST_OF_FULL, float(np.quantile(peaks, 0.99))) if self._even else 1.0
        self._known: dict[int, tuple[str, tuple[int, int]]] = {}

    def row(self, row: int) -> dict[str, Any]:
        """A picture and its tile for every group."""
        uri, (height, width) = self._shown(row)
        groups = [self.tile(row, group) for group in range(self.groups.count)]
        return {"picture": uri, "aspect": width / height, "groups": groups, **self._names(row)}

    def tile(self, row: int, group: int) -> dict[str, Any]:
        """A picture as one group sees it."""
        groups = self.groups
        uri, size = self._shown(row)
        looks, adds = groups.looks[row, group], groups.contributions[row, group]
        window = groups.windows[row]
        x, y = to_input(np.tile(groups.peaks[row, group], 2), tuple(window), (1, 1))[:2]  # shares of the window
        return {
            "picture": uri,
            "aspect": size[1] / size[0],
            "look": self._map(looks, size) if self._even is None else self._attention(looks * self._even, size),
            "adds": self._map(adds, size) if groups.kind != "contributions" else "",
            "value": self._value(float(looks.max())),
            "peak": (f"{100 * x:.1f}", f"{100 * y:.1f}"),
            "part": self._part_of(row, group),
            **self._names(row),
        }

    def _value(self, peak: float) -> str:
        """How strong the strongest place is."""
        if self._even is not None:
            return f"{peak * self._even:.1f}\N{MULTIPLICATION SIGN} even"
        return f"{peak:.3g}" if self.groups.kind == "response" else f"{100 * peak:.0f} %"

    def _names(self, row: int) -> dict[str, str]:
        # Names of folders break into lines where they have blanks.
        return {"label": str(self._labels[row]).replace("_", " "), "id": str(self._ids[row])}

    def _shown(self, row: int) -> tuple[str, tuple[int, int]]:
        """The data URI of a picture and its height and width."""
        if row not in self._known:
            pixels = self._picture(int(row))
            self._known[row] = data_uri(Image.fromarray(pixels), SIDE, LIMIT), (pixels.shape[0], pixels.shape[1])
        return self._known[row]

    def _map(self, values: np.ndarray, size: tuple[int, int]) -> str:
        """A map as a small picture in colours that stand for shares of its own largest value, clear at zero."""
        pixels = self._drawn(values, size)  # (H, W)
        ramp = signed_ramp()[np.linspace(0, len(signed_ramp()) - 1, LEVELS).round().astype(int)]
        return _png(pixels / (np.abs(values).max() or 1), ramp)

    def _attention(self, times: np.ndarray, size: tuple[int, int]) -> str:
        """Attention as multiples of even attention: what is below it lies in the dark, what is above it takes colour up to `most`."""
        pixels = self._drawn(times, size)
        above = np.log(np.maximum(pixels, 1)) / np.log(self.most)
        return _png(np.where(pixels < 1, pixels - 1, above), _attention_ramp())

    def _drawn(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        shrink = DRAWN / max(size)
        drawn = self.groups.centres.scaled((max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))))
        return drawn.upsample(values)


def _attention_ramp() -> np.ndarray:
    """(LEVELS, 4) uint8: a veil that thins out towards even attention, then the colours of positive values."""
    half = LEVELS // 2
    veil = np.zeros((half, 4), np.uint8)
    veil[:, 3] = np.linspace(VEIL, 0, half, endpoint=False).round()
    positive = signed_ramp()[len(signed_ramp()) // 2 :]
    return np.concatenate([veil, positive[np.linspace(0, len(positive) - 1, LEVELS - half).round().astype(int)]])


def _png(shares: np.ndarray, ramp: np.ndarray) -> str:
    """Shares (H, W) between -1 and 1 as a small picture in the colours of a ramp (LEVELS, 4)."""
    half = LEVELS // 2
    image = Image.fromarray(np.round(np.clip(shares, -1, 1) * half + half).astype(np.uint8))
    image.putpalette(np.ascontiguousarray(ramp).tobytes(), "RGBA")
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
