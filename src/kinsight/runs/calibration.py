"""What a model's similarities mean: thresholds with the rates that they promise, and a probability; kept in the model folder.

Written by `kinsight.calibrate`, read by whoever must say "the same" or "nothing like it".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation import verification
from kinsight.evaluation.likelihood import Likelihood, fit_likelihood, held_out_error
from kinsight.evaluation.verification import Comparisons
from kinsight.files import write_json
from kinsight.models.storage import CONFIG
from kinsight.reading import read_json
from kinsight.runs.judged_calibration import JudgedCalibration
from kinsight.runs.operating_point import OperatingPoint
from kinsight.typed import from_plain

CALIBRATION = "calibration.json"
FORMAT, FORMAT_VERSION = "kinsight-calibration", 1
_RESTORE = "calibrate the model anew with `kinsight calibrate`"


@dataclass(frozen=True)
class Calibration:
    """What a model's cosine means, measured on classes that it was not trained on.

    Attributes:
        model: the digest of the model.
        data, data_digest, split: what it was measured on.
        pictures, classes: how many.
        same, different: pairs of one class, of two.
        pairs: are two pictures the same? The operating points, the strictest first.
        search: is anything like it in the gallery? The operating points in a gallery of `gallery` pictures.
        gallery: pictures that each picture was searched among.
        likelihood: how likely two pictures of a cosine are the same.
        equal_error_rate: where as many are falsely accepted as falsely refused.
        accuracy: over ten folds as Labeled Faces in the Wild has it; None where there are too few classes.
        error: how far the probability is from the share that is the same, on average, on classes that it was not fitted to.
        judged: the same question among hits that people saw and judged, where such pairs were given.
    """

    model: str
    data: str
    data_digest: str | None
    split: str
    pictures: int
    classes: int
    same: int
    different: int
    pairs: list[OperatingPoint]
    search: list[OperatingPoint]
    gallery: int
    likelihood: Likelihood
    equal_error_rate: float
    accuracy: float | None = None
    error: float | None = None
    judged: JudgedCalibration | None = None

    @property
    def of_hits(self) -> Likelihood:
        """How likely a hit of a cosine is the same: as people judged hits, else as among all pairs."""
        return self.likelihood if self.judged is None else self.judged.likelihood or self.likelihood

    def threshold(self, rate: float) -> float:
        """The cosine from which two pictures count as the same, at a calibrated rate of false accepts.

        Raises:
            KinsightError: this rate was not calibrated.
        """
        return _at(self.pairs, rate).threshold

    def search_threshold(self, rate: float, gallery: int | None = None) -> float:
        """The cosine below which the best hit counts as nothing like it.

        Every picture of a gallery is a chance of a false hit. In a gallery of another size than that of the calibration, the point is taken
        whose rate grows, or falls, to at most `rate`: 1 - (1 - r)^(gallery / calibrated), as if hits were independent.

        Raises:
            KinsightError: no calibrated point is so strict.
        """
        share = 1 - (1 - rate) ** (self.gallery / (gallery or self.gallery))
        strict = [point for point in self.search if point.rate <= share * (1 + 1e-9)]
        if not strict:
            known = ", ".join(f"{point.rate:g}" for point in self.search)
            raise KinsightError(
                f"false hits in {rate:g} of the searches among {gallery or self.gallery:,} pictures need a rate of {share:.2g} among "
                f"{self.gallery:,}, and calibrated are {known or 'none'}; calibrate on more pictures, or allow more"
            )
        return max(strict, key=lambda point: point.rate).threshold

    def write(self, folder: str | Path) -> None:
        """Keep it in a model folder, whole or not at all.

        Raises:
            KinsightError: there is no model, or the folder cannot be written.
        """
        if not (Path(folder) / CONFIG).is_file():
            raise KinsightError(f"{folder} is not a model folder; give one that holds {CONFIG}")
        write_json(Path(folder) / CALIBRATION, {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)})


def calibration_of(
    found: Comparisons,
    rates: Sequence[float],
    *,
    model: str,
    data: str,
    data_digest: str | None,
    split: str,
    seed: int = 0,
) -> Calibration:
    """The calibration of a model by pictures compared with each other.

    Args:
        found: all their pairs.
        rates: of false accepts; those that the pairs, or the searches, are too few to tell are left out.
        model, data, data_digest, split: what is written beside the numbers.
        seed: of resamples, folds and halves.
    """
    strangest = -np.sort(-found.strangest)
    pairs = {rate: at for rate in rates if (at := verification.threshold_for(found.impostors, rate)) is not None}
    search = {rate: at for rate in rates if (at := verification.threshold_for(strangest, rate)) is not None}
    accuracy = verification.ten_fold_accuracy(found, seed=seed)
    return Calibration(
        model=model,
        data=data,
        data_digest=data_digest,
        split=split,
        pictures=len(found.labels),
        classes=found.classes,
        same=len(found.genuine),
        different=len(found.impostors),
        pairs=[
            OperatingPoint.measured(rate, threshold, *estimates)
            for (rate, threshold), estimates in zip(
                pairs.items(), verification.accepted_pairs(found, list(pairs.values()), seed=seed), strict=True
            )
        ],
        search=[
            OperatingPoint.measured(rate, threshold, *verification.found_in_search(found, threshold))
            for rate, threshold in search.items()
        ],
        gallery=len(found.labels) - 1,
        likelihood=fit_likelihood(found.scores, found.same),
        equal_error_rate=verification.equal_error_rate(found, seed=seed).value,
        accuracy=None if accuracy is None else accuracy.value,
        error=held_out_error(found, seed=seed),
    )


def read_calibration(folder: str | Path, model: str) -> Calibration | None:
    """The calibration that is kept in a model folder; None where there is none.

    Args:
        model: the digest of the model that stands there.

    Raises:
        KinsightError: it is damaged, or of another model.
    """
    path = Path(folder) / CALIBRATION
    if not path.exists():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or (content.get("format"), content.get("format_version")) != (
        FORMAT,
        FORMAT_VERSION,
    ):
        raise KinsightError(f"{path} is no calibration that this Kinsight reads; {_RESTORE}")
    found = from_plain(Calibration, content, str(path), otherwise=_RESTORE)
    numbers = [
        found.likelihood.slope,
        found.likelihood.intercept,
        found.of_hits.slope,
        found.of_hits.intercept,
        *(point.threshold for point in [*found.pairs, *found.search]),
    ]
    if not all(map(math.isfinite, numbers)):
        raise KinsightError(f"{path} holds numbers that are not finite; {_RESTORE}")
    if found.model != model:
        raise KinsightError(f"{path} was measured with another model than the one beside it; {_RESTORE}")
    return found


def _at(points: list[OperatingPoint], rate: float) -> OperatingPoint:
    for point in points:
        if math.isclose(point.rate, rate):
            return point
    known = ", ".join(f"{point.rate:g}" for point in points) or "none"
    raise KinsightError(f"the rate {rate:g} was not calibrated (there is {known}); calibrate with --rates {rate:g}")
