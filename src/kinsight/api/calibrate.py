"""kinsight.calibrate: what similarity means "the same", at stated rates of error; kept in the model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.columns import columns_of
from kinsight.api.judged import judged_calibration
from kinsight.api.load import load_one_stream
from kinsight.api.numbers import require_seed, require_whole
from kinsight.api.opened_run import evaluation_data, require_page, rows_of
from kinsight.data import table_digest
from kinsight.errors import KinsightError
from kinsight.evaluation import verification
from kinsight.evaluation.verification import Comparisons
from kinsight.files import write_json, write_text
from kinsight.models import Embedder
from kinsight.processes import device
from kinsight.runs.calibration import Calibration, calibration_of
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import DataSettings
from kinsight.show.calibration.page import calibration_html
from kinsight.show.calibration.result import Calibrated, Checked
from kinsight.training.encoding import encode_rows

RATES = (0.001, 0.01, 0.1)
LIMIT = 1500
FEW_CLASSES = 10


def calibrate(
    run: str | Path,
    *,
    rates: Sequence[float] = RATES,
    split: str = "validation",
    check: str | None = None,
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    limit: int = LIMIT,
    seed: int = 0,
    which: str = "best",
    judgements: str | Path | None = None,
    out: str | Path | None = None,
) -> Calibrated:
    """Thresholds at stated rates of false accepts and a probability, from pictures of classes that the model was not trained on.

    Kept as `calibration.json` in the model folder, where search and pages find it.

    Args:
        run: the run folder.
        rates: of false accepts, each above 0 and below 1; those that the pictures are too few to tell are left out, and said.
        split: what is calibrated on; validation classes by default, so that test classes can check it.
        check: another split, such as test: whether it keeps there what was promised.
        data, split_by, root, path_column, label_column: another table than the run's own, as for `kinsight.evaluate`.
        limit: at most so many pictures of a split, drawn from the seed: all pairs of them are compared.
        which: `best` or `last`.
        judgements: the table of matches that people confirmed or rejected on the page: thresholds and a probability among *hits* are
            measured on it besides, and then say on the page how likely a hit is the same.
        out: a page `.html` to write as well, with all numbers in a JSON file beside it.

    Raises:
        KinsightError: there is no run, the split has no pictures of two classes, or a rate is not allowed.
    """
    require_whole(2, limit=limit)
    require_seed(seed)
    wanted = _checked_rates(rates)
    if out is not None:
        require_page(out)
    folder = RunFolder(run).require()
    place = folder.trained_model(which)
    model = load_one_stream(place, device=device())
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    source = _Source(folder, data, split_by, columns)
    table, settings, found = source.compared(model, split, limit, seed)
    calibration = calibration_of(
        found,
        wanted,
        model=model.digest(),
        data=settings.path,
        data_digest=table_digest(table),
        split=split,
        seed=seed,
    )
    checked = None
    if check is not None:
        checked = _checked(calibration, source.compared(model, check, limit, seed)[2], check, seed)
    if judgements is not None:
        calibration = replace(calibration, judged=judged_calibration(model, judgements, wanted, seed=seed))
    calibration.write(place)
    result = Calibrated(
        calibration,
        found,
        str(folder.path),
        [*_doubts(folder, calibration, own=data is None), *_too_strict(calibration, wanted), *_of_judged(calibration)],
        checked,
    )
    if out is not None:
        write_text(out, calibration_html(result))
        write_json(Path(out).with_suffix(".json"), result.to_dict())
    return result


@dataclass(frozen=True)
class _Source:
    """Where pictures come from."""

    folder: RunFolder
    data: str | Path | None
    split_by: str | None
    columns: Mapping[str, Any] = field(default_factory=dict)

    def compared(
        self, model: Embedder, split: str, limit: int, seed: int
    ) -> tuple[pd.DataFrame, DataSettings, Comparisons]:
        """The table, its settings, and the pictures of a split compared with each other."""
        table, settings = evaluation_data(
            self.folder, data=self.data, split=split, split_by=self.split_by, columns=self.columns
        )
        rows = _rows(table, split, settings.data)
        if len(rows) > limit:
            rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
        encoded = encode_rows(model, table, rows, settings.data)
        return table, settings.data, verification.compare(encoded.vectors, table["label"].to_numpy()[encoded.rows])


def _rows(table: pd.DataFrame, split: str, settings: DataSettings) -> np.ndarray:
    if split == "validation" and not (table["split"] == split).any():
        raise KinsightError(
            f"the training held no validation classes of {settings.path} out; say with --split which classes shall be calibrated on "
            "(test, if nothing is to be checked there afterwards), or give others with --data"
        )
    return rows_of(table, split, settings)


def _checked_rates(rates: Sequence[float]) -> list[float]:
    wrong = [rate for rate in rates if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1]
    if wrong or not rates:
        raise KinsightError(
            f"{wrong[0]!r} is no rate of false accepts; give numbers above 0 and below 1, such as 0.01"
            if wrong
            else "no rate of false accepts was given; give numbers above 0 and below 1, such as 0.01"
        )
    return sorted({float(rate) for rate in rates})


def _checked(calibration: Calibration, found: Comparisons, split: str, seed: int) -> Checked:
    """What the thresholds give on other pictures, beside what they promised."""
    pairs = verification.accepted_pairs(found, [point.threshold for point in calibration.pairs], seed=seed)
    search = [
        verification.found_in_search(found, point.threshold, gallery=calibration.gallery)
        for point in calibration.search
    ]
    return Checked(split, len(found.labels), found.classes, pairs, search)


def _doubts(folder: RunFolder, calibration: Calibration, *, own: bool) -> list[str]:
    """Why the rates on classes that nobody has seen may be others."""
    told = []
    training = folder.read_protocol().training
    seen = own and (
        calibration.split in ("train", "all") or (calibration.split == "validation" and training.saw_validation)
    )
    if seen:
        told.append(
            f"the model has seen the classes of this split ({calibration.split}), so that on others it errs more; calibrate on classes "
            "that it has not seen, with --split or --data"
        )
    if calibration.classes < FEW_CLASSES:
        told.append(
            f"{calibration.classes} classes are few: on others the rates may differ by far more than the intervals say; calibrate on "
            f"{FEW_CLASSES} or more, with --split or --data"
        )
    return told


def _too_strict(calibration: Calibration, rates: Sequence[float]) -> list[str]:
    """Of the rates that were asked for what the pictures are too few to tell."""
    told = []
    for what, points, count in (
        ("pairs", calibration.pairs, calibration.different),
        ("search", calibration.search, calibration.pictures),
    ):
        missing = [f"{rate:g}" for rate in rates if rate not in {point.rate for point in points}]
        if missing:
            unit = "pairs of two classes" if what == "pairs" else "pictures that search"
            told.append(f"{what}: {count:,} {unit} are too few to tell a rate of {' or '.join(missing)}")
    return told


def _of_judged(calibration: Calibration) -> list[str]:
    """What of the judgements did not count, and what they cannot say."""
    known = calibration.judged
    if known is None:
        return []
    told = [
        "people judged hits that they were shown, which are no random pairs: false accepts among them are shares of the shown pairs of two "
        "classes, more alike than most"
    ]
    for count, what in (
        (known.parts, "pairs were judged by a part of the query, which says nothing of the whole; they do not count"),
        (known.contradictory, "rejected pairs are connected by confirmed ones; they do not count"),
        (known.unreadable, "judged pictures can no longer be read; their pairs do not count"),
    ):
        if count:
            told.append(f"judgements: {count:,} {what}")
    if known.likelihood is None:
        told.append(
            "among the judged pairs a higher cosine does not make it likelier that they are the same: no probability is kept"
        )
    return told
