"""What an index file holds: five tables of SQLite, and how a file of somebody else is held against that."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from kinsight.errors import KinsightError

APPLICATION = 0x4B696E73  # "Kins": what SQLite keeps of whose file it is
VERSION = 1

# A picture never changes its number, and a number never its picture: what was changed has a new one. So whoever has read the vectors up to
# a number reads only what came later. User columns are c0, c1, ...; `about` has their names.
PICTURES = (
    "CREATE TABLE pictures (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, path TEXT NOT NULL, box TEXT, "
    "digest TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL"
)
TABLES = {
    "about": "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "pictures": PICTURES + ")",
    "vectors": "CREATE TABLE vectors (number INTEGER PRIMARY KEY, vector BLOB NOT NULL)",
    "places": "CREATE TABLE places (number INTEGER PRIMARY KEY, height INTEGER NOT NULL, width INTEGER NOT NULL, "
    "scales BLOB NOT NULL, codes BLOB NOT NULL)",
    "directions": "CREATE TABLE directions (number INTEGER PRIMARY KEY, direction BLOB NOT NULL)",  # of the places
}
_OURS = {
    "about": re.compile(re.escape(TABLES["about"])),
    "pictures": re.compile(re.escape(PICTURES) + r"(, c\d+)*\)"),
    "vectors": re.compile(re.escape(TABLES["vectors"])),
    "places": re.compile(re.escape(TABLES["places"])),
    "directions": re.compile(re.escape(TABLES["directions"])),
    "sqlite_sequence": re.compile(re.escape("CREATE TABLE sqlite_sequence(name,seq)")),
}


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # room of what is removed goes back in small steps
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for statement in TABLES.values():
        connection.execute(statement)


def check(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a file that is no index, of another version, or holds anything beside our tables: triggers and views would act on their own.

    Raises:
        KinsightError: so it is.
    """
    if _number(connection, "application_id") != APPLICATION:
        raise KinsightError(
            f"{name} is no index of Kinsight; give a file that `kinsight index ... --out NAME.kin` wrote"
        )
    version = _number(connection, "user_version")
    if version != VERSION:
        raise KinsightError(
            f"{name} is an index of version {version} and this Kinsight reads version {VERSION}; build it anew with kinsight index"
        )
    found = {
        row[1]: row for row in connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    }
    for what, table, sql in found.values():
        if what != "table" or table not in _OURS or not _OURS[table].fullmatch(str(sql)):
            raise KinsightError(
                f"{name} holds the {what} {str(table)[:60]!r}, which no index has; build it anew with kinsight index"
            )
    missing = sorted(set(_OURS) - set(found))
    if missing:
        raise KinsightError(f"{name} lacks the table {missing[0]}; build it anew with kinsight index")


@contextmanager
def explained(name: str) -> Iterator[None]:
    """What SQLite says of a file, in a sentence."""
    try:
        yield
    except sqlite3.Error as problem:
        reason = str(problem)
        if "locked" in reason:
            raise KinsightError(f"{name} is being written by another process; wait until it is done") from None
        if "full" in reason:
            raise KinsightError(f"{name} could not be written: no space is left there; free some") from None
        if "readonly" in reason or "read-only" in reason or "unable to open" in reason:
            raise KinsightError(f"{name} cannot be written ({reason}); give a file that you may write to") from None
        raise KinsightError(
            f"{name} is no index or is damaged ({reason}); restore it, or build it anew with kinsight index"
        ) from None
    except (OverflowError, UnicodeError) as problem:
        raise KinsightError(
            f"{name} is damaged ({problem}); restore it, or build it anew with kinsight index"
        ) from None


def _number(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
