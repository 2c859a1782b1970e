"""The result of reading headings: how often right, how far off, and how much its own confidence is worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import RESAMPLES, mean_over_classes
from kinsight.explanation.measuring.orientation import COLOURS, Readings
from kinsight.explanation.orientation.confidence import Calibration, calibrated
from kinsight.explanation.orientation.estimates import OVERALL, POINT, STRONGEST, VOTES
from kinsight.explanation.orientation.votes import Voting
from kinsight.pictures.directions import difference

WITHIN = 3.5
CHANCE = "chance"
BIN = 2 * WITHIN  # of the histogram of errors
COMPARED = ((POINT, OVERALL), (STRONGEST, OVERALL), (VOTES, POINT), (VOTES, STRONGEST), (VOTES, COLOURS))


@dataclass(frozen=True, eq=False)
class Orientation:
    """Headings of N pairs of pictures, each way.

    Attributes:
        readings: what was read.
        true: (N,), the headings as they are; None where nobody knows them.
        calibration: from peaks to probabilities, fitted to other pairs where there were some; None where there are too few.
        probability: (N,), that the votes' heading is right; NaN without calibration.
        voting: how places voted.
        within: degrees that count as right.
    """

    readings: Readings
    true: np.ndarray | None
    calibration: Calibration | None
    probability: np.ndarray
    voting: Voting
    within: float = WITHIN

    def __len__(self) -> int:
        return len(self.readings.turns)

    @cached_property
    def ways(self) -> list[str]:
        """The rows that were measured, without chance."""
        return list(self.readings.found)

    def errors(self, way: str) -> np.ndarray:
        """(N,), degrees in (-180, 180], clockwise positive.

        Raises:
            KinsightError: the way was not measured, or no heading is known.
        """
        if self.true is None:
            raise KinsightError(
                "the true headings are not known; add a column heading to the table to hold answers against"
            )
        if way not in self.readings.found:
            raise KinsightError(f"{way!r} was not measured; write one of {', '.join(self.ways)}")
        return np.asarray(difference(self.readings.found[way], self.true))

    def right(self, way: str) -> np.ndarray:
        """(N,), 1 where the error is at most `within` degrees, else 0; of chance how often that is."""
        if way == CHANCE:
            return np.full(len(self), 2 * self.within / 360)
        return (np.abs(self.errors(way)) <= self.within).astype(float)

    def rate(self, way: str) -> Estimate:
        """How often a way is right, with its 95 % interval over pairs."""
        right = self.right(way)
        return Estimate(float(right[0])) if way == CHANCE else self._mean(right)

    def median(self, way: str) -> Estimate:
        """The median of the errors without sign, degrees, with its 95 % interval over pairs."""
        if way == CHANCE:
            return Estimate(90.0)
        errors = np.abs(self.errors(way))
        value = float(np.median(errors))
        if len(errors) < 2:
            return Estimate(value)
        picks = np.random.default_rng(0).integers(len(errors), size=(RESAMPLES, len(errors)))
        low, high = np.quantile(np.median(errors[picks], axis=1), [0.025, 0.975]).tolist()
        return Estimate.between(value, low, high, "bootstrap")

    def difference(self, way: str, other: str) -> Estimate:
        """How much more often one way is right than another, on the same pairs."""
        return self._mean(self.right(way) - self.right(other))

    def histogram(self, way: str) -> tuple[np.ndarray, np.ndarray]:
        """Middles of bins `BIN` degrees wide, the first about 0, and the share of errors in each."""
        bins = round(360 / BIN)
        middles = np.arange(bins) * 360 / bins
        number = np.round(np.mod(self.errors(way), 360) * bins / 360).astype(int) % bins
        return middles, np.bincount(number, minlength=bins) / len(self)

    @cached_property
    def confident(self) -> np.ndarray:
        """(N,) bool: the half of the pairs whose peaks stand out most, by what is calibrated; without calibration by the lead."""
        by = self.readings.lead if np.isnan(self.probability).any() else self.probability
        order = np.argsort(-by, kind="stable")
        found = np.zeros(len(self), bool)
        found[order[: len(self) // 2]] = True
        return found

    @property
    def halves(self) -> tuple[Estimate, Estimate]:
        """How often the votes are right in the most confident half, and in the other."""
        right, confident = self.right(VOTES), self.confident
        return self._mean(right[confident]), self._mean(right[~confident])

    def reliability(self, groups: int = 5) -> list[tuple[float, float, int]]:
        """Pairs in `groups` equal parts by probability: its mean, how often they were right, how many."""
        if self.true is None or np.isnan(self.probability).any():
            return []
        order, right = np.argsort(self.probability, kind="stable"), self.right(VOTES)
        parts = [part for part in np.array_split(order, groups) if len(part)]
        return [(float(self.probability[part].mean()), float(right[part].mean()), len(part)) for part in parts]

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a way, fractions and degrees, for tables and CSV."""
        return [
            {
                "way": way,
                "pairs": len(self),
                **self.rate(way).columns("rate"),
                **self.median(way).columns("median_error"),
            }
            for way in (*self.ways, CHANCE)
        ]

    def pairs(self) -> list[dict[str, Any]]:
        """One flat row a pair: the answers, and what is known."""
        rows = []
        for number in range(len(self)):
            row: dict[str, Any] = {way: float(values[number]) for way, values in self.readings.found.items()}
            row |= {
                "probability": _plain(self.probability[number]),
                "height": float(self.readings.height[number]),
                "lead": float(self.readings.lead[number]),
                "similarity": float(self.readings.similarity[number]),
            }
            row |= {"turned": float(self.readings.turns[number])}
            if self.true is not None:
                row |= {"heading": float(self.true[number]), "error": float(self.errors(VOTES)[number])}
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single pairs, as plain values for JSON."""
        known: dict[str, Any] = {}
        if self.true is not None:
            first, second = self.halves if len(self) > 1 else (Estimate(float("nan")),) * 2
            known = {
                "within": self.within,
                "rows": self.rows(),
                "differences": {
                    f"{way} - {other}": self.difference(way, other).to_dict()
                    for way, other in COMPARED
                    if {way, other} <= set(self.ways)
                },
                "confident_half": first.to_dict(),
                "other_half": second.to_dict(),
                "reliability": [
                    {"probability": said, "right": found, "pairs": count} for said, found, count in self.reliability()
                ],
            }
        return {
            "pairs": len(self),
            "column_degrees": self.readings.column,
            "completeness_error": self.readings.completeness,
            "affinity_error": self.readings.affinity,
            "voting": asdict(self.voting),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            **known,
        }

    def _mean(self, values: np.ndarray) -> Estimate:
        if not len(values):
            return Estimate(float("nan"))
        return mean_over_classes(values, np.arange(len(values)))


def held(
    readings: Readings,
    true: np.ndarray | None,
    *,
    known: tuple[Readings, np.ndarray] | None = None,
    voting: Voting | None = None,
    within: float = WITHIN,
) -> Orientation:
    """Hold what was read against true headings, and say how sure each answer is.

    Args:
        readings: of N pairs.
        true: (N,), their headings; None where nobody knows them.
        known: what was read of other pairs, and their headings: confidence is calibrated on these. Without them on the pairs
            themselves, each half on the other half.
        voting: how places voted.
        within: degrees that count as right.
    """
    height, lead = readings.height, readings.lead
    probability = np.full(len(height), np.nan)
    calibration = None
    if known is not None:
        calibration = _calibrated(*known, within, "validation pairs")
        if calibration is not None:
            probability = calibration.probability(height, lead)
    elif true is not None:
        calibration = _calibrated(readings, true, within, "these pairs, each half on the other half")
        odd = np.arange(len(height)) % 2 == 1
        for half in (odd, ~odd):
            errors = np.asarray(difference(readings.found[VOTES][~half], true[~half]))
            other = calibrated(height[~half], lead[~half], errors, within=within, source="the other half")
            if other is not None:
                probability[half] = other.probability(height[half], lead[half])
    return Orientation(readings, true, calibration, probability, voting or Voting(), within)


def _calibrated(readings: Readings, true: np.ndarray, within: float, source: str) -> Calibration | None:
    errors = np.asarray(difference(readings.found[VOTES], true))
    return calibrated(readings.height, readings.lead, errors, within=within, source=source)


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
