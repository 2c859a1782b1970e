"""Rows that say the same of the same picture twice: one of them is enough."""

from __future__ import annotations

import pandas as pd

from kinsight.data.columns import STANDARD

DROPPED = "dropped_rows"
"""Where a table remembers the positions of the rows that were dropped, so that messages keep the numbers of a spreadsheet."""


def without_repeats(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table without rows whose standard columns (but their own id) repeat an earlier row's, and a sentence about them."""
    known = [column for column in table.columns if column in STANDARD and column != "id"]
    again = table.duplicated(known).to_numpy() & table["path"].notna().to_numpy()
    if not again.any():
        return table, []
    places = [int(place) for place in again.nonzero()[0]]
    kept = table[~again].reset_index(drop=True)
    kept.attrs[DROPPED] = places
    count, first = len(places), table["id"].iloc[places[0]]
    rows = "1 row repeats an earlier one and was" if count == 1 else f"{count} rows repeat earlier ones and were"
    return kept, [f"{rows} dropped, the first in row {places[0] + 2} ({first})"]


def spreadsheet_row(table: pd.DataFrame, place: int) -> int:
    """The line, as a spreadsheet shows it, of the row at a position of a table or of a part of one; the header is line 1."""
    row = int(table.index[place])
    for dropped in table.attrs.get(DROPPED, ()):
        if dropped > row:
            break
        row += 1
    return row + 2
