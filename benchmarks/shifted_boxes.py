"""What localization would be if all boxes were moved by the same number of pixels of the network's input, right and down.

Strided convolutions look aside of the middle of a place's cell, where maps are drawn; this shows how much that matters.

    python benchmarks/shifted_boxes.py RUN 15.5
"""

from __future__ import annotations

import argparse

import numpy as np

from kinsight.api.measuring_maps import open_subject
from kinsight.explanation import localization
from kinsight.explanation.boxes import Window, to_picture
from kinsight.show import localization_table

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("pixels", type=float)
    options = parser.parse_args()

    def moved(boxes: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
        return to_picture(np.clip(np.asarray(boxes) + options.pixels, 0, size[0]), window, size)

    localization.to_picture = moved
    subject = open_subject(options.run)
    methods = ["decomposition", "grad-cam no norm"]
    found = localization.localize(
        subject.explainer, subject.pictures, subject.labels, subject.boxes, methods=methods, thresholds=THRESHOLDS
    )
    print(localization_table(found))


if __name__ == "__main__":
    main()
