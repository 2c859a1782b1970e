"""The index in one file of SQLite: what is true of it. Everything else (the matrix that is searched) is derived and can be made anew.

Every change is one transaction: what was acknowledged stays, whatever is killed when; what was not is as if it had never begun.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinsight.errors import KinsightError
from kinsight.retrieval.about import TYPES, About, about_of, fitting
from kinsight.retrieval.entries import Entry, Listed, PackedPlaces, box_of, box_text, cell, require_unlike
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.schema import explained
from kinsight.retrieval.where import parse_condition

_BLOCK = 4096  # rows read at a time
_FEW = 500  # values in one statement
_LITTLE = 64  # pages that may be free in any case
_SPARE = 0.25  # of the file: when more of it is free, it is given back


class Known(NamedTuple):
    """What an index has of an id: its number, what was listed, and the state of its file when it was embedded."""

    number: int
    listed: Listed
    state: FileState


class Store:
    """An index file, or one in memory (without a path). Made by `kinsight.retrieval.opening`."""

    def __init__(self, connection: sqlite3.Connection, name: str, path: Path | None = None) -> None:
        self._connection, self.name, self.path = connection, name, path
        with self._explained():
            self.about = self._read_about()

    def __len__(self) -> int:
        with self._explained():
            return int(self._connection.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._connection.close()

    def refresh(self) -> None:
        """Read anew what other processes may have changed of `about`."""
        with self._explained():
            self.about = self._read_about()

    def describe(self, **facts: Any) -> None:
        """Write facts of `about`."""
        with self._transaction():
            for name, value in facts.items():
                self._write_fact(name, value)
        self.refresh()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add pictures, or put them in the place of those of the same ids, all or none.

        Raises:
            KinsightError: a vector does not fit, an id stands twice, or the file cannot be written.
        """
        packed = [(self._packed(entry), entry) for entry in entries]
        require_unlike(entries)
        ids = [entry.listed.id for entry in entries]
        with self._transaction():
            self._remove(ids)
            names = self._with_columns([name for entry in entries for name in entry.listed.columns])
            marks = ", ".join("?" * (6 + len(names)))
            fixed = "id, path, box, digest, size, modified"
            into = ", ".join([fixed, *(f"c{number}" for number in range(len(names)))])
            for vector, entry in packed:
                listed, state = entry.listed, entry.state
                values: list[Any] = [
                    listed.id,
                    listed.path,
                    box_text(listed.box),
                    state.digest,
                    state.size,
                    state.modified,
                ]
                values += [cell(listed.columns.get(name)) for name in names]
                number = self._connection.execute(f"INSERT INTO pictures ({into}) VALUES ({marks})", values).lastrowid
                self._connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, vector))
                if entry.places is not None:
                    self._connection.execute(
                        "INSERT INTO places VALUES (?, ?, ?, ?, ?)", (number, *_place_row(entry.places))
                    )
            self._changed()

    def note(self, pictures: Sequence[tuple[Listed, FileState]]) -> None:
        """Write new columns, paths and times of pictures whose embeddings stay."""
        with self._transaction():
            names = self._with_columns([name for listed, _ in pictures for name in listed.columns])
            for listed, state in pictures:
                known = [(names.index(name), cell(value)) for name, value in listed.columns.items()]
                sets = ", ".join(["path = ?", "size = ?", "modified = ?", *(f"c{number} = ?" for number, _ in known)])
                values = [listed.path, state.size, state.modified, *(value for _, value in known), listed.id]
                self._connection.execute(f"UPDATE pictures SET {sets} WHERE id = ?", values)
            self._changed()

    def remove(self, ids: Collection[str]) -> int:
        """Remove pictures by id, all or none; how many of them were there."""
        with self._transaction():
            gone = self._remove(list(ids))
            if gone:
                self._changed()
        self._give_back()
        return gone

    def known(self, ids: Collection[str]) -> dict[str, Known]:
        """Those of some ids that the index has."""
        found = {}
        for row in self._pictures("id", list(ids)):
            known = self._known(row)
            found[known.listed.id] = known
        return found

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
        return {
            known.number: known for known in map(self._known, self._pictures("number", [int(one) for one in numbers]))
        }

    def ids(self) -> list[str]:
        """The ids of all pictures, in the order in which they were added."""
        with self._explained():
            return [str(row[0]) for row in self._connection.execute("SELECT id FROM pictures ORDER BY number")]

    def numbers(self, where: str | None = None) -> np.ndarray:
        """The numbers of the pictures that meet a condition (see `kinsight.retrieval.where`), or of all, rising. int64 (N,)"""
        sql, values = "", []
        if where is not None:
            known = {"id": "id", "path": "path"}
            known |= {name: f"c{number}" for number, name in enumerate(self.about.columns)}
            condition = parse_condition(where, known)
            sql, values = f"WHERE {condition.sql}", condition.values
        with self._explained():
            rows = self._connection.execute(f"SELECT number FROM pictures {sql} ORDER BY number", values)
            return np.fromiter((row[0] for row in rows), np.int64)

    def vectors(self, after: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers (n,) and vectors (n, D) as they are kept, block by block, of the pictures whose numbers are above `after`."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT number, vector FROM vectors WHERE number > ? ORDER BY number", (after,)
            )
            while block := rows.fetchmany(_BLOCK):
                yield self._vectors_of(block)

    def vectors_of(self, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """As `vectors`, of the pictures of some numbers, all at once; those that are no longer there are left out."""
        found: list[Any] = []
        with self._explained():
            for start in range(0, len(numbers), _FEW):
                some = numbers[start : start + _FEW]
                marks = ", ".join("?" * len(some))
                found += self._connection.execute(f"SELECT number, vector FROM vectors WHERE number IN ({marks})", some)
        return self._vectors_of(sorted(found))

    def places(self, numbers: Collection[int] | None = None, *, dim: int) -> Iterator[tuple[int, PackedPlaces]]:
        """The kept places of pictures, with `dim` numbers each, by rising number."""
        with self._explained():
            chosen = self.numbers() if numbers is None else np.sort(np.fromiter(numbers, np.int64))
            for start in range(0, len(chosen), _FEW):
                some = chosen[start : start + _FEW].tolist()
                marks = ", ".join("?" * len(some))
                sql = (
                    f"SELECT number, height, width, scales, codes FROM places WHERE number IN ({marks}) ORDER BY number"
                )
                for number, *row in self._connection.execute(sql, some):
                    yield number, _places_of(row, dim, self.name)

    def directions(self) -> np.ndarray | None:
        """The directions (D, d) in which places are kept; None where the index keeps no places, or has none yet."""
        size = 4 * self.about.dim
        with self._explained():
            rows = [row[0] for row in self._connection.execute("SELECT direction FROM directions ORDER BY number")]
        if any(not isinstance(row, bytes) or len(row) != size for row in rows):
            raise KinsightError(f"{self.name} is damaged (its directions); build it anew with kinsight index")
        return np.stack([np.frombuffer(row, "<f4") for row in rows], 1) if rows else None

    def keep_directions(self, directions: np.ndarray) -> None:
        """Write the directions (D, d) of all places to come, once."""
        with self._transaction():
            for number, direction in enumerate(directions.T):
                values = np.ascontiguousarray(direction, "<f4").tobytes()
                self._connection.execute("INSERT INTO directions VALUES (?, ?)", (number, values))

    def pages(self) -> int:
        """How many pages of 4096 bytes the file has, free ones included."""
        with self._explained():
            return int(self._connection.execute("PRAGMA page_count").fetchone()[0])

    def _packed(self, entry: Entry) -> bytes:
        vector = fitting(entry.vector, entry.listed.id, self.about, self.name)
        return vector.astype(TYPES[self.about.dtype]).tobytes()

    def _vectors_of(self, rows: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        kind = TYPES[self.about.dtype]
        size = self.about.dim * kind.itemsize
        if any(not isinstance(row[1], bytes) or len(row[1]) != size for row in rows):
            raise KinsightError(
                f"{self.name} is damaged (a vector has another length than it says); build it anew with kinsight index"
            )
        joined = b"".join(row[1] for row in rows)
        return np.array([row[0] for row in rows], np.int64), np.frombuffer(joined, kind).reshape(-1, self.about.dim)

    def _pictures(self, by: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        columns = "".join(f", c{number}" for number in range(len(self.about.columns)))
        fixed = "number, id, path, box, digest, size, modified"
        with self._explained():
            for start in range(0, len(values), _FEW):
                some = values[start : start + _FEW]
                marks = ", ".join("?" * len(some))
                yield from self._connection.execute(
                    f"SELECT {fixed}{columns} FROM pictures WHERE {by} IN ({marks})", some
                )

    def _known(self, row: tuple[Any, ...]) -> Known:
        number, id_, path, box, digest, size, modified, *values = row
        columns = dict(zip(self.about.columns, map(cell, values), strict=True))
        return Known(number, Listed(str(id_), str(path), box_of(box), columns), FileState(size, modified, str(digest)))

    def _remove(self, ids: Sequence[str]) -> int:
        gone = 0
        for start in range(0, len(ids), _FEW):
            some = ids[start : start + _FEW]
            marks = ", ".join("?" * len(some))
            which = f"SELECT number FROM pictures WHERE id IN ({marks})"
            for table in ("vectors", "places"):
                self._connection.execute(f"DELETE FROM {table} WHERE number IN ({which})", some)
            gone += self._connection.execute(f"DELETE FROM pictures WHERE id IN ({marks})", some).rowcount
        return gone

    def _with_columns(self, names: Sequence[str]) -> list[str]:
        """All columns of the user, those that are new made."""
        known = self._read_about().columns  # of this transaction: another process may have made some
        for name in dict.fromkeys(names):
            if name not in known:
                self._connection.execute(f"ALTER TABLE pictures ADD COLUMN c{len(known)}")
                known.append(name)
                self._write_fact("columns", known)
        return known

    def _changed(self) -> None:
        self._write_fact("changes", self._read_about().changes + 1)

    def _give_back(self) -> None:
        """Shorten the file where much of it is free."""
        with self._explained():
            free = int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])
            if free > max(_LITTLE, _SPARE * self.pages()):
                self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would give back one page

    def _write_fact(self, name: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False)
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, text))

    def _read_about(self) -> About:
        rows = dict(self._connection.execute("SELECT name, value FROM about"))
        return about_of({str(name): value for name, value in rows.items()}, self.name)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self.about = self._read_about()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with explained(self.name):
            yield


def _place_row(places: PackedPlaces) -> tuple[int, int, bytes, bytes]:
    height, width = places.scales.shape
    return height, width, places.scales.astype("<f4").tobytes(), np.ascontiguousarray(places.codes, np.int8).tobytes()


def _places_of(row: Sequence[Any], dim: int, name: str) -> PackedPlaces:
    height, width, scales, codes = row
    try:
        return PackedPlaces(
            np.frombuffer(codes, np.int8).reshape(height, width, dim),
            np.frombuffer(scales, "<f4").reshape(height, width),
        )
    except (TypeError, ValueError):
        raise KinsightError(
            f"{name} is damaged (places have another size than it says); build it anew with kinsight index"
        ) from None
