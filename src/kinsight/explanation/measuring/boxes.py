"""From a map to a box, and points of the upright picture.

Positions are continuous: pixel number i reaches from i to i + 1. Boxes are left, top, right, bottom.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kinsight.explanation.centres import Centres
from kinsight.explanation.peaks import peak
from kinsight.explanation.window import Window, to_input, to_picture

CONNECTIVITY = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def component_boxes(pixels: np.ndarray, thresholds: tuple[float, ...], connectivity: int = 8) -> np.ndarray:
    """The tight box round the largest connected component of {map >= threshold x its maximum}, for each threshold.

    Of equally large components the first in reading order counts. Negative values count as 0; a map without a positive value has no box.

    Args:
        pixels: (H, W), the map, up-sampled.
        thresholds: shares of the maximum, above 0.
        connectivity: 4 or 8 neighbours.

    Returns:
        (T, 4), in pixels of the map; NaN where there is no box.
    """
    boxes = np.full((len(thresholds), 4), np.nan)
    peak = pixels.max()
    if not peak > 0:
        return boxes
    for number, threshold in enumerate(thresholds):
        components, _ = ndimage.label(pixels >= threshold * peak, structure=CONNECTIVITY[connectivity])
        inside = components == np.bincount(components.ravel())[1:].argmax() + 1
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def point_to_input(x: float, y: float, window: Window, size: tuple[int, int]) -> tuple[float, float]:
    """A point of the upright picture in pixels of the network's input, as x, y."""
    mapped = to_input(np.array([x, y, x, y]), window, size)
    return float(mapped[0]), float(mapped[1])


def overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) with one box (4,); a box of NaN overlaps with nothing."""
    inside = np.minimum(boxes[..., 2:], truth[2:]) - np.maximum(boxes[..., :2], truth[:2])
    common = np.clip(inside, 0, None).prod(-1)
    union = (boxes[..., 2:] - boxes[..., :2]).prod(-1) + (truth[2:] - truth[:2]).prod() - common
    return np.nan_to_num(common / np.where(union > 0, union, np.nan))


def peak_of(values: np.ndarray, window: Window, centres: Centres) -> tuple[float, float]:
    """Where a map (h, w) peaks, as x, y of the upright picture (see `peak`)."""
    found = peak(values, centres)
    return _in_picture(found.y, found.x, window, centres)


def place_in_picture(row: int, column: int, window: Window, centres: Centres) -> tuple[float, float]:
    """The centre of a place, as x, y of the upright picture."""
    return _in_picture(*centres.centre(row, column), window, centres)


def _in_picture(y: float, x: float, window: Window, centres: Centres) -> tuple[float, float]:
    size = centres.rows.pixels, centres.columns.pixels
    left, top, _, _ = to_picture(np.array([x + 0.5, y + 0.5, x + 0.5, y + 0.5]), window, size).tolist()
    return left, top


def coverage(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How much of each pixel (H, W) a box in these pixels covers, 0 to 1."""
    spans = []
    for pixels, low, high in ((size[0], box[1], box[3]), (size[1], box[0], box[2])):
        edges = np.arange(pixels)
        spans.append(np.clip(np.minimum(edges + 1, high) - np.maximum(edges, low), 0, None))
    return np.outer(*spans)


def mask_on_input(mask: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """A mask of the upright picture, read at the pixel centres of the network's input, bool (H, W)."""
    left, top, right, bottom = window
    rows = top + (np.arange(size[0]) + 0.5) / size[0] * (bottom - top)
    columns = left + (np.arange(size[1]) + 0.5) / size[1] * (right - left)
    rows = np.clip(np.floor(rows).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.floor(columns).astype(int), 0, mask.shape[1] - 1)
    return mask[np.ix_(rows, columns)].astype(bool)
