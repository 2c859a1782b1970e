"""One thing that is wrong with an image table, as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from kinsight.data.repeats import spreadsheet_row

LISTED = 20  # rows listed one by one for each kind of problem; further ones are counted

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; `str()` gives it as one sentence.

    Args:
        row: its line in the table as a spreadsheet shows it (the header is line 1), None if it is in no single row.
        message: the value, what is wrong with it, and the repair.
        severity: with an error the table is refused; a warning is something to know before believing a number.
        count: how many rows have it, where it stands for several.
    """

    row: int | None
    column: str | None
    value: object
    message: str
    severity: Severity = "error"
    count: int = 1

    def __str__(self) -> str:
        place = ", ".join(
            ([f"row {self.row}"] if self.row is not None else [])
            + ([f"column {self.column}"] if self.column is not None else [])
        )
        return f"{place}: {self.message}" if place else self.message


def in_rows(
    table: pd.DataFrame, wrong: np.ndarray | pd.Series, column: str, message: str, severity: Severity = "error"
) -> list[Problem]:
    """A problem for each of the first wrong rows, one that counts the others; `{value}` in `message` is the cell."""
    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    problems = []
    for row in rows[:LISTED]:
        value = table[column].iloc[row]
        value = value.item() if isinstance(value, np.generic) else value
        problems.append(Problem(spreadsheet_row(table, int(row)), column, value, message.format(value=value), severity))
    if len(rows) > LISTED:
        more = len(rows) - LISTED
        text = f"{more} more rows have the problem of row {problems[0].row}; repair them in the same way"
        problems.append(Problem(None, column, None, text, severity, more))
    return problems
