"""A calibration, the pictures behind it, and whether it kept what it promised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.verification import Comparisons
from kinsight.runs.calibration import Calibration


@dataclass(frozen=True)
class Checked:
    """What the thresholds give on pictures that they were not chosen on; false and true accepts of each operating point.

    Attributes:
        split: which pictures.
        pictures, classes: how many.
        pairs, search: in the order of the calibration's points.
    """

    split: str
    pictures: int
    classes: int
    pairs: list[tuple[Estimate, Estimate]]
    search: list[tuple[Estimate, Estimate]]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What `kinsight.calibrate` found.

    Attributes:
        calibration: as it is kept in the model folder.
        comparisons: the pairs behind it.
        run: the run folder.
        doubts: what the pictures were too few to tell, and why the rates may be others elsewhere; a sentence each.
        checked: what the thresholds give elsewhere, if that was asked.
    """

    calibration: Calibration
    comparisons: Comparisons
    run: str
    doubts: list[str]
    checked: Checked | None = None

    def probability(self, cosine: float | np.ndarray, *, prior: float = 0.5) -> float | np.ndarray:
        """How likely two pictures of this cosine are the same; `prior`: how likely it was beforehand."""
        return self.calibration.likelihood.probability(cosine, prior=prior)

    def threshold(self, rate: float) -> float:
        """The cosine from which two pictures count as the same, at a calibrated rate of false accepts."""
        return self.calibration.threshold(rate)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = {"run": self.run, "doubts": self.doubts, **asdict(self.calibration)}
        if self.checked is not None:
            plain = {
                kind: [
                    {"false": false.to_dict(), "true": true.to_dict()} for false, true in getattr(self.checked, kind)
                ]
                for kind in ("pairs", "search")
            }
            counts = {"split": self.checked.split, "pictures": self.checked.pictures, "classes": self.checked.classes}
            found["checked"] = {**counts, **plain}
        return found
