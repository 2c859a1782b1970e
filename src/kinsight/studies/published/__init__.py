"""Tables that papers print, shown beside a study and never mixed with what it measured: CSV files, the shipped ones in this folder."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kinsight.errors import KinsightError
from kinsight.evaluation.metrics import describe
from kinsight.reading import MEGABYTE, read_text
from kinsight.studies.tables import PROTOCOLS, SEPARATED

SHIPPED = {
    "drml-cub": "CUB-200-2011, BN-Inception: DRML (ICCV 2021), supplement, Table 1; most baselines are the Reality Check's own numbers",
    "drml-cars": "Cars196, BN-Inception: DRML (ICCV 2021), supplement, Table 2; most baselines are the Reality Check's own numbers",
}
_PLUS_MINUS = "_pm"
_REPAIR = "correct the file"


@dataclass(frozen=True)
class PublishedRow:
    """A printed row: of each metric the value, a fraction, and what stands behind its plus-minus, where something does."""

    method: str
    protocol: str
    cells: dict[str, tuple[float, float | None]]


@dataclass(frozen=True)
class PublishedTable:
    """A printed table and where it is from."""

    name: str
    source: str
    rows: list[PublishedRow]

    @property
    def metrics(self) -> list[str]:
        """Those that it prints, in its order."""
        return list(dict.fromkeys(metric for row in self.rows for metric in row.cells))


def read_published(name_or_file: str | Path) -> PublishedTable:
    """A shipped table by name, or a CSV: `method`, `protocol` (separated or concatenated; without it separated) and metrics in percent by
    their names (`precision_at_1`, `recall_at_2`, `map_at_r`, `nmi`, ...), each with a `_pm` beside it where something is printed.

    Raises:
        KinsightError: there is no such table, a number is none, or one row cannot be: its MAP@R exceeds its R-precision.
    """
    name = str(name_or_file)
    if name in SHIPPED:
        text, source = files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8"), SHIPPED[name]
    elif Path(name).is_file():
        text, source = read_text(name, most=MEGABYTE), Path(name).name
    else:
        raise KinsightError(
            f"there are no published numbers '{name[:200]}'; write {', '.join(SHIPPED)}, or give a CSV file"
        )
    lines = list(csv.DictReader(io.StringIO(text)))
    if not lines or "method" not in lines[0]:
        raise KinsightError(f"{name} has no rows with a column method; {_REPAIR}")
    return PublishedTable(name, source, [_row(line, f"{name}, line {place}") for place, line in enumerate(lines, 2)])


def _row(line: Mapping[str, str], where: str) -> PublishedRow:
    method, protocol = line["method"], (line.get("protocol") or SEPARATED).strip()
    where = f"{where} ({method})"
    if protocol not in PROTOCOLS:
        raise KinsightError(f"{where}: protocol '{protocol[:60]}' is not known; write {' or '.join(PROTOCOLS)}")
    cells: dict[str, tuple[float, float | None]] = {}
    for key, text in line.items():
        if key in ("method", "protocol") or key is None or key.endswith(_PLUS_MINUS) or not (text or "").strip():
            continue
        describe(key)  # refuses a metric that is none
        beside = (line.get(f"{key}{_PLUS_MINUS}") or "").strip()
        cells[key] = (_fraction(text, f"{where}: {key}"), _fraction(beside, f"{where}: {key}") if beside else None)
    _check(cells, where)
    return PublishedRow(method, protocol, cells)


def _fraction(text: str, where: str) -> float:
    try:
        value = float(text) / 100
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise KinsightError(f"{where} is '{text[:40]}', not a number of percent from 0 to 100; {_REPAIR}")
    return value


def _check(cells: Mapping[str, tuple[float, float | None]], where: str) -> None:
    """MAP@R sums, over the first R neighbours, precisions of at most 1 where R-precision sums ones."""
    if {"map_at_r", "r_precision"} <= cells.keys() and cells["map_at_r"][0] > cells["r_precision"][0]:
        of, rp = (100 * cells[key][0] for key in ("map_at_r", "r_precision"))
        raise KinsightError(
            f"{where}: a MAP@R of {of:.1f} with an R-precision of {rp:.1f} cannot be, for MAP@R never exceeds R-precision; perhaps the two "
            "columns are swapped"
        )
