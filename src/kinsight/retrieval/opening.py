"""Making an index file, and opening one that anybody may have written."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from kinsight.files import require_writable, writing
from kinsight.reading import require_file
from kinsight.retrieval import schema
from kinsight.retrieval.about import About
from kinsight.retrieval.schema import explained
from kinsight.retrieval.store import Store

_WAITS = 30  # seconds for another process that writes


def create_store(path: str | Path | None, about: About) -> Store:
    """Make an empty index, as a file, whole or not at all, or in memory (None).

    Raises:
        KinsightError: the file cannot be written.
    """
    if path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        _fill(connection, about)
        return Store(connection, "the index in memory")
    require_writable(path)
    with writing(path) as temporary, explained(str(path)):
        connection = sqlite3.connect(temporary, isolation_level=None)
        _fill(connection, about)
        connection.close()
    return open_store(path, writable=True)


def open_store(path: str | Path, *, writable: bool = False) -> Store:
    """Open an index file; one of a stranger runs nothing.

    Raises:
        KinsightError: it is missing, no index, damaged, of another version, or holds what no index holds.
    """
    path = require_file(path, otherwise="build it with kinsight index MODEL PICTURES --out NAME.kin")
    with explained(str(path)):
        connection = _connected(path, writable)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            schema.check(connection, str(path))
            if writable:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # a commit outlives a power cut, too
                connection.execute("PRAGMA journal_size_limit = 16777216")
            return Store(connection, str(path), path)
        except BaseException:
            connection.close()
            raise


def _connected(path: Path, writable: bool) -> sqlite3.Connection:
    address = path.resolve().as_uri()
    if writable:
        return sqlite3.connect(f"{address}?mode=rw", uri=True, isolation_level=None, timeout=_WAITS)
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None, timeout=_WAITS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return connection
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # Where nothing can be written beside it, nobody can be writing into it either.
        return sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _fill(connection: sqlite3.Connection, about: About) -> None:
    schema.create(connection)
    for name, value in vars(about).items():
        connection.execute("INSERT INTO about VALUES (?, ?)", (name, json.dumps(value, ensure_ascii=False)))
