"""The result of a localization: figures with intervals, per method, as rows and plain values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import mean_over_classes, over_classes
from kinsight.explanation.measuring.drawing import CENTRED

HELD_OUT, SAME = "held_out", "same_pictures"
FIGURES = (HELD_OUT, SAME, "box_energy", "box_peak", "mask_energy", "mask_peak")


@dataclass(frozen=True)
class Scores:
    """How well N maps of one method find the object.

    Attributes:
        overlaps: (N, T), IoU with the true box at each threshold; 0 where a map has no box.
        box_energy: (N,), the share of the map's positive part inside the box.
        box_peak: (N,), 1 where the peak lies inside the box, else 0; of a constant map the chance of it.
        mask_energy, mask_peak: (N,), the same with masks; NaN where there is none.
        silent: (N,) bool, maps without a positive value; they count as wrong everywhere.
        boxes: (N, T, 4), the boxes themselves, in pixels of the upright picture, where kept; NaN where a map has none.
    """

    overlaps: np.ndarray
    box_energy: np.ndarray
    box_peak: np.ndarray
    mask_energy: np.ndarray
    mask_peak: np.ndarray
    silent: np.ndarray
    boxes: np.ndarray | None = None

    @classmethod
    def empty(cls, count: int, thresholds: int) -> Scores:
        """Nothing noted yet of `count` maps."""
        box_energy, box_peak, mask_energy, mask_peak = np.full((4, count), np.nan)
        overlaps = np.zeros((count, thresholds))
        boxes = np.full((count, thresholds, 4), np.nan)
        return cls(overlaps, box_energy, box_peak, mask_energy, mask_peak, np.zeros(count, bool), boxes)


@dataclass(frozen=True)
class Localization:
    """Localization figures of several methods over the same N pictures.

    Intervals are 95 %, over classes; those of chosen thresholds hold the choice fixed.

    Attributes:
        scores: by method; the last ones, `whole picture` and `centre`, look at no picture.
        labels: (N,), the classes.
        thresholds: shares of the maximum.
        iou: the overlap that counts as right.
        connectivity: neighbours of a component.
        partners: how partners were chosen.
        drawing: how maps were drawn out to pixels.
        pairs: (N, 2), the rows of each picture and its partner among the given pictures, where known.
        truths: (N, 4), the true boxes, where known.
    """

    scores: dict[str, Scores]
    labels: np.ndarray
    thresholds: tuple[float, ...]
    iou: float
    connectivity: int
    partners: str
    drawing: str = CENTRED
    pairs: np.ndarray | None = None
    truths: np.ndarray | None = None

    def correct(self, method: str) -> np.ndarray:
        """(N, T) bool: whether the box at each threshold is right."""
        return self._of(method).overlaps >= self.iou

    def curve(self, method: str) -> dict[float, Estimate]:
        """The share of right boxes at every threshold."""
        return {threshold: self.figure(method, f"at_{threshold:g}") for threshold in self.thresholds}

    def best_threshold(self, method: str) -> float:
        """The threshold that is best for the very pictures it is reported on, as in the paper; of equal ones the lowest."""
        return self.thresholds[int(self.correct(method).mean(0).argmax())]

    def held_out_thresholds(self, method: str) -> tuple[float, float]:
        """The threshold applied to the first and to the second half of the classes, each chosen on the other; NaN with one class."""
        correct, half = self.correct(method), self.halves
        if half.all() or not half.any():
            return (float("nan"), float("nan"))
        first, second = (self.thresholds[int(correct[part].mean(0).argmax())] for part in (half, ~half))
        return first, second

    @cached_property
    def halves(self) -> np.ndarray:
        """(N,) bool: pictures of the second half, which is every second class in sorted order."""
        return np.unique(self.labels, return_inverse=True)[1] % 2 == 1

    def applied(self, method: str) -> np.ndarray | None:
        """(N,), the number of the threshold that is applied to each picture, chosen on the other half; None with one class."""
        chosen = self.held_out_thresholds(method)
        return (
            None if np.isnan(chosen).any() else np.searchsorted(self.thresholds, np.where(self.halves, *chosen[::-1]))
        )

    def boxes(self, method: str) -> np.ndarray:
        """(N, 4), the box of each picture at the threshold that is applied to it; with one class at the best of the same pictures."""
        columns = self.applied(method)
        if columns is None:
            columns = np.full(len(self.labels), self.thresholds.index(self.best_threshold(method)))
        kept = self._of(method).boxes
        if kept is None:
            raise KinsightError(f"the boxes of {method} were not kept; measure again")
        return kept[np.arange(len(columns)), columns]

    def values(self, method: str, figure: str) -> np.ndarray:
        """(N,), what each picture adds to a figure: one of `FIGURES`, or `at_` and a threshold.

        Raises:
            KinsightError: the method or figure is not known.
        """
        scores, correct = self._of(method), self.correct(method).astype(np.float64)
        if figure == HELD_OUT:
            columns = self.applied(method)
            return np.full(len(correct), np.nan) if columns is None else correct[np.arange(len(correct)), columns]
        if figure == SAME:
            return correct[:, self.thresholds.index(self.best_threshold(method))]
        if figure in FIGURES:
            return np.asarray(getattr(scores, figure), np.float64)
        at = {f"at_{threshold:g}": number for number, threshold in enumerate(self.thresholds)}
        if figure not in at:
            raise KinsightError(f"figure {figure!r} is not known; write one of {', '.join((*FIGURES, *at))}")
        return correct[:, at[figure]]

    def figure(self, method: str, figure: str) -> Estimate:
        """The mean of a figure and its interval; NaN where nothing is known of it."""
        self.values(method, figure)  # complains
        return self._estimates[method, figure]

    def difference(self, method: str, other: str, figure: str = HELD_OUT) -> Estimate:
        """How much better a method is than another, picture by picture: the mean difference and its interval."""
        return mean_over_classes(self.values(method, figure) - self.values(other, figure), self.labels)

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a method, fractions, for tables and CSV."""
        rows = []
        for method in self.scores:
            row: dict[str, Any] = {"method": method, "partners": self.partners, "pictures": len(self.labels)}
            for figure in (*FIGURES, *(f"at_{threshold:g}" for threshold in self.thresholds)):
                row |= self._estimates[method, figure].columns(figure)
            row["same_pictures_threshold"] = self.best_threshold(method)
            row["held_out_thresholds"] = "/".join(f"{each:g}" for each in self.held_out_thresholds(method))
            row["silent"] = int(self._of(method).silent.sum())
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single pictures, as plain values for JSON."""
        return {
            "pictures": len(self.labels),
            "classes": len(np.unique(self.labels)),
            "partners": self.partners,
            "drawing": self.drawing,
            "iou": self.iou,
            "connectivity": self.connectivity,
            "thresholds": list(self.thresholds),
            "methods": {
                method: {
                    "curve": [each.to_dict() for each in self.curve(method).values()],
                    **{figure: self._estimates[method, figure].to_dict() for figure in FIGURES},
                    "same_pictures_threshold": self.best_threshold(method),
                    "held_out_thresholds": [_plain(each) for each in self.held_out_thresholds(method)],
                    "silent": int(self._of(method).silent.sum()),
                }
                for method in self.scores
            },
        }

    @cached_property
    def _estimates(self) -> dict[tuple[str, str], Estimate]:
        figures = [*FIGURES, *(f"at_{threshold:g}" for threshold in self.thresholds)]
        keys = [(method, figure) for method in self.scores for figure in figures]
        # Drawn together: all methods and figures see the same resampled classes.
        table = np.stack([self.values(*key) for key in keys], axis=1)
        return dict(zip(keys, over_classes(table, self.labels), strict=True))

    def _of(self, method: str) -> Scores:
        if method not in self.scores:
            raise KinsightError(f"method {method!r} was not drawn; write one of {', '.join(self.scores)}")
        return self.scores[method]


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
