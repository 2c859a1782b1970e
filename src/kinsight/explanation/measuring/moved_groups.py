"""Whether groups follow what they look at when the picture moves ("Attentive Grouping", section 3.4 and Figure 2).

A picture is cut to five windows of the same size, one in the middle and one in each corner, so that its content moves and nothing is
invented at the borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kinsight.explanation.explainer import Explainer
from kinsight.explanation.measuring.groups import Groups, read_groups
from kinsight.pictures.decoding import open_picture

SHARE = 0.7  # of the picture's sides that a window has: from the middle to a corner its content moves by a fifth of the window
NEAR = 0.1  # of the window's longer side: how near a peak must be to count as being at the same point
PLACES = {"middle": (0.5, 0.5), "top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1), "bottom right": (1, 1)}


@dataclass(frozen=True, eq=False)
class MovedGroups:
    """Groups on M pictures, each cut to the windows of `PLACES`.

    Attributes:
        groups: of M x 5 windows, the windows of a picture one after the other; peaks are in pixels of the windows.
        corners: (M, 5, 2), left and top of each window in its picture.
        sizes: (M, 2), width and height of the windows of a picture.
        pictures: the windows as the network saw them, (H, W, 3) uint8 each.
    """

    groups: Groups
    corners: np.ndarray
    sizes: np.ndarray
    pictures: Sequence[np.ndarray]

    def followed(self, group: int) -> tuple[int, int]:
        """How often the group's peak stayed on the same point of the content, and of how many moves that left the point in sight."""
        peaks, middle, reach = self._peaks(group)
        inside = (middle - self.corners[:, 1:] >= 0).all(2) & (middle - self.corners[:, 1:] < self.sizes[:, None]).all(
            2
        )
        near = np.linalg.norm(peaks[:, 1:] - middle, axis=2) <= reach
        return int((near & inside).sum()), int(inside.sum())

    def stayed(self, group: int) -> tuple[int, int]:
        """How often the peak stayed at the same point of the window instead, whatever is there now, and of how many moves."""
        peaks, _, reach = self._peaks(group)
        within = peaks - self.corners  # (M, 5, 2)
        near = np.linalg.norm(within[:, 1:] - within[:, :1], axis=2) <= reach
        return int(near.sum()), near.size

    def _peaks(self, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(M, 5, 2) in pixels of the whole pictures, (M, 1, 2) those of the middle, and (M, 1) how near is near."""
        peaks = self.groups.peaks[:, group].reshape(len(self.sizes), len(PLACES), 2) + self.corners
        return peaks, peaks[:, :1], NEAR * self.sizes.max(1, keepdims=True)


def read_moved(explainer: Explainer, pictures: Sequence[str]) -> MovedGroups:
    """Cut M pictures to their windows and keep where each group looks.

    Raises:
        KinsightError: the head has no groups, or a picture cannot be read.
    """
    cuts: list[Image.Image] = []
    corners, sizes = [], []
    for path in pictures:
        picture = open_picture(path)
        width, height = (max(1, round(SHARE * side)) for side in picture.size)
        sizes.append((width, height))
        for x, y in PLACES.values():
            left, top = round(x * (picture.width - width)), round(y * (picture.height - height))
            corners.append((left, top))
            cuts.append(picture.crop((left, top, left + width, top + height)))
    return MovedGroups(
        read_groups(explainer, cuts),
        np.array(corners, np.float64).reshape(len(sizes), len(PLACES), 2),
        np.array(sizes, np.float64),
        [explainer.prepare(cut).picture for cut in cuts],
    )
