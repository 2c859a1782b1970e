"""kinsight.judged_data: pairs that people judged on the page as a table of classes; and compared by a model, to calibrate it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from kinsight.data.columns import BOX
from kinsight.data.judged import contradictions, ends, joined, judged_table, read_judged
from kinsight.errors import KinsightError
from kinsight.evaluation.verification import compared_pairs
from kinsight.files import require_writable, write_text
from kinsight.models import Embedder
from kinsight.runs.judged_calibration import JudgedCalibration, judged_calibration_of
from kinsight.settings.training import DataSettings
from kinsight.training.encoding import encode_rows

NEWEST = 2000  # pairs: intervals take the square of the classes


def judged_data(
    judgements: str | Path,
    *,
    out: str | Path | None = None,
    parts: bool = False,
    on_contradiction: Literal["refuse", "skip"] = "refuse",
) -> pd.DataFrame:
    """What people said of matches as an image table that `kinsight.train` reads: confirmed pairs join pictures into classes.

    Args:
        judgements: the table that `kinsight serve` keeps beside an index.
        out: a CSV to write as well.
        parts: take also what was judged by a part of the query, as if it had been said of whole pictures.
        on_contradiction: what a rejected pair does that confirmed ones connect: `refuse` names it, `skip` leaves its class out.

    Raises:
        KinsightError: it is no such table, judgements contradict each other, or no pair was confirmed.
    """
    if on_contradiction not in ("refuse", "skip"):
        raise KinsightError(f"on_contradiction is {on_contradiction!r}; write refuse or skip")
    if out is not None:
        if Path(out).suffix != ".csv":
            raise KinsightError(f"{str(out)!r} is no table; write a name that ends in .csv")
        require_writable(out)
    found = read_judged(judgements, parts=parts)
    table = judged_table(found.pairs, skip_contradictions=on_contradiction == "skip")
    if out is not None:
        write_text(out, table.to_csv(index=False, lineterminator="\n"))
    return table


def judged_calibration(
    model: Embedder, judgements: str | Path, rates: Sequence[float], *, workers: int = 2, seed: int = 0
) -> JudgedCalibration:
    """A model calibrated by judged pairs, whatever model they were shown by: the newest ones, compared anew.

    Raises:
        KinsightError: it is no such table, or they are too few.
    """
    read = read_judged(judgements)
    wrong = set(map(id, contradictions(read.pairs)))
    pairs = [pair for pair in read.pairs if id(pair) not in wrong][-NEWEST:]
    pictures, classes = joined(pairs)
    boxes = {side: [(picture.box or [np.nan] * 4)[at] for picture in pictures] for at, side in enumerate(BOX)}
    table = pd.DataFrame(
        {"id": [picture.id for picture in pictures], "path": [picture.path for picture in pictures], **boxes}
    )
    settings = DataSettings(workers=workers, crop_to_box=any(picture.box for picture in pictures), on_unreadable="skip")
    encoded = encode_rows(model, table, np.arange(len(table)), settings)
    number = {pictures[row].id: at for at, row in enumerate(encoded.rows.tolist())}
    kept = [pair for pair in pairs if pair.query.id in number and pair.other.id in number]
    first, second = ends(kept, number)
    found = compared_pairs(encoded.vectors, first, second, classes[encoded.rows])
    return judged_calibration_of(
        found,
        rates,
        table=str(judgements),
        digest=read.digest,
        parts=read.parts,
        contradictory=len(wrong),
        unreadable=len(pictures) - len(encoded.rows),
        seed=seed,
    )
