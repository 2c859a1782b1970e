"""How another table is read: which columns hold its paths and classes, and where its paths begin."""

from __future__ import annotations

from pathlib import Path

from kinsight.errors import KinsightError

Columns = dict[str, str]


def columns_of(
    data: object,
    *,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    what: str = "data",
) -> Columns:
    """What was given of the three, by name.

    Args:
        data: the table that they are of, under the name `what`.

    Raises:
        KinsightError: there is none, or it is a list of pictures.
    """
    given = {"root": root, "path_column": path_column, "label_column": label_column}
    found = {name: str(value) for name, value in given.items() if value is not None}
    if found and not isinstance(data, str | Path):
        raise KinsightError(
            f"{next(iter(found))} cannot be given without {what}; it says how another table is read"
            if data is None
            else f"{next(iter(found))} was given with a list of pictures; it says how a table is read, so leave it out"
        )
    return found
