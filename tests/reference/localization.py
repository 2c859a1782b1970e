"""The localization protocol in plain loops."""

from __future__ import annotations

from collections import deque

import numpy as np

Box = tuple[float, float, float, float]


def bilinear(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Half-pixel bilinear up-sampling, pixel by pixel; beyond the outermost centres their value goes on."""
    large = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            y = min(max((row + 0.5) * values.shape[0] / height - 0.5, 0), values.shape[0] - 1)
            x = min(max((column + 0.5) * values.shape[1] / width - 0.5, 0), values.shape[1] - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, values.shape[0] - 1), min(left + 1, values.shape[1] - 1)
            upper = values[top, left] * (1 - (x - left)) + values[top, right] * (x - left)
            lower = values[bottom, left] * (1 - (x - left)) + values[bottom, right] * (x - left)
            large[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return large


def component_box(pixels: np.ndarray, threshold: float, connectivity: int) -> Box | None:
    """The tight box of the largest component at or above a share of the maximum; the first in reading order of equal ones."""
    if not pixels.max() > 0:
        return None
    wanted = {(int(row), int(column)) for row, column in np.argwhere(pixels >= threshold * pixels.max())}
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    if connectivity == 8:
        steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    best: list[tuple[int, int]] = []
    for start in sorted(wanted):
        if start not in wanted:
            continue
        wanted.discard(start)
        component, waiting = [], deque([start])
        while waiting:
            row, column = waiting.popleft()
            component.append((row, column))
            for down, right in steps:
                near = (row + down, column + right)
                if near in wanted:
                    wanted.discard(near)
                    waiting.append(near)
        if len(component) > len(best):
            best = component
    rows, columns = [row for row, _ in best], [column for _, column in best]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return common / (areas[0] + areas[1] - common)


def overlap(
    values: np.ndarray, size: tuple[int, int], window: Box, truth: Box, threshold: float, connectivity: int = 8
) -> float:
    """The whole protocol for one map and threshold: the IoU with the true box in pixels of the upright picture."""
    found = component_box(np.maximum(bilinear(values, *size), 0), threshold, connectivity)
    if found is None:
        return 0.0
    left, top, right, bottom = window
    across, down = (right - left) / size[1], (bottom - top) / size[0]
    return iou(
        (left + found[0] * across, top + found[1] * down, left + found[2] * across, top + found[3] * down), truth
    )


def share_inside(values: np.ndarray, size: tuple[int, int], window: Box, truth: Box) -> float:
    """The share of a map's positive part inside a box, each pixel by the area of it that the box covers."""
    pixels = np.maximum(bilinear(values, *size), 0)
    across, down = (window[2] - window[0]) / size[1], (window[3] - window[1]) / size[0]
    inside = 0.0
    for row in range(size[0]):
        for column in range(size[1]):
            left, top = window[0] + column * across, window[1] + row * down
            width = min(left + across, truth[2]) - max(left, truth[0])
            height = min(top + down, truth[3]) - max(top, truth[1])
            inside += pixels[row, column] * max(width, 0) * max(height, 0) / (across * down)
    return inside / pixels.sum()
