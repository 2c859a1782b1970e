"""Confirmed and rejected matches, kept as labelled pairs in a CSV beside the index; pictures that were sent lie in a folder there.

A line for every judgement, the newest of a pair counts: `when` (UTC), `same` (1, 0, or empty: withdrawn), `query` and `other` (ids of
the index, or the name of a kept picture), `query_path` and `other_path`, `query_box` and `other_box` (the part that the index holds, where
pictures are cut to one), `score` (the cosine that was shown), `regions` (JSON, what of the query counted; empty: all of it), `model` (its
digest). `kinsight.data.judged` reads it for training and calibration.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from kinsight.data.judged import COLUMNS, SAID, Box, JudgedPicture
from kinsight.errors import KinsightError
from kinsight.files import explained, writing
from kinsight.reading import read_text

MOST_BYTES = 256 * 2**20  # of the table, and of all pictures that are kept with it, each
_SUFFIXES = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"RIFF", ".webp"))


class Judgements:
    """The table of judgements of an index.

    Args:
        index: the file of the index; the table is called after it.
    """

    def __init__(self, index: str | Path) -> None:
        index = Path(index).absolute()
        self.path = index.with_name(f"{index.stem}.judgements.csv")
        self.folder = index.with_name(f"{index.stem}.judged")
        self._same: dict[frozenset[str], bool] = {}
        self._kept = sum(file.stat().st_size for file in self.folder.iterdir()) if self.folder.is_dir() else 0
        for row in self._rows():
            self._take(row["query"], row["other"], SAID.get(row["same"]))

    def __len__(self) -> int:
        return len(self._same)

    def same(self, query: str, other: str) -> bool | None:
        """What was said of two pictures last; None: nothing, or it was withdrawn."""
        return self._same.get(frozenset((query, other)))

    def pairs(self) -> Iterator[tuple[str, str, bool]]:
        """All pairs that are judged now, the newest last."""
        for pair, same in self._same.items():
            first, *second = sorted(pair)
            yield first, (second or [first])[0], same

    def sent(self, data: bytes) -> JudgedPicture:
        """What a picture that was sent is called in the table; it is the same for the same bytes."""
        suffix = next((suffix for start, suffix in _SUFFIXES if data.startswith(start)), ".tif")
        name = hashlib.sha256(data).hexdigest()[:24] + suffix
        return JudgedPicture(f"{self.folder.name}/{name}", str(self.folder / name))

    def keep(self, sent: JudgedPicture, data: bytes) -> None:
        """Keep a picture that was sent, so that the pair stays whole.

        Raises:
            KinsightError: there is no room, or the folder cannot be written.
        """
        path = Path(sent.path)
        if path.exists():
            return
        if self._kept + len(data) > MOST_BYTES:
            raise KinsightError(
                f"the pictures of judgements fill {MOST_BYTES // 2**20} MB already; move the folder {self.folder.name} away"
            )
        with writing(path) as temporary:
            temporary.write_bytes(data)
        self._kept += len(data)

    def add(
        self,
        same: bool | None,
        query: JudgedPicture,
        other: JudgedPicture,
        *,
        score: float | None,
        regions: str,
        model: str,
    ) -> None:
        """Write a judgement; it is on the disk when this returns.

        Raises:
            KinsightError: the table is full or cannot be written.
        """
        said = {True: "1", False: "0", None: ""}[same]
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        row = (
            when,
            said,
            query.id,
            query.path,
            _box_text(query.box),
            other.id,
            other.path,
            _box_text(other.box),
            "" if score is None else f"{score:.6f}",
            regions,
            model,
        )
        with explained(self.path):
            self._append(_line(COLUMNS) if not self.path.exists() else "", _line(row))
        self._take(query.id, other.id, same)

    def _append(self, head: str, line: str) -> None:
        with open(self.path, "ab+") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size > MOST_BYTES:
                raise KinsightError(f"{self.path.name} is full; move it away, and a new one is begun")
            if size:
                stream.seek(size - 1)
                head = "" if stream.read(1) == b"\n" else "\n"  # a kill may have cut the last line short
            stream.write((head + line).encode())
            stream.flush()
            os.fsync(stream.fileno())

    def _rows(self) -> Iterator[dict[str, str]]:
        if not self.path.exists():
            return
        reader = csv.DictReader(
            io.StringIO(read_text(self.path, most=2 * MOST_BYTES, otherwise="move it away"), newline="")
        )
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise KinsightError(
                f"{self.path} is no table of judgements (its first line is another one); move it away, and a new one is begun"
            )
        for row in reader:
            if None not in row and None not in row.values() and row["same"] in SAID:
                yield row

    def _take(self, query: str, other: str, same: bool | None) -> None:
        pair = frozenset((query, other))
        self._same.pop(pair, None)
        if same is not None:
            self._same[pair] = same


def _line(values: tuple[str, ...]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue()


def _box_text(box: Box | None) -> str:
    return "" if box is None else " ".join(map(str, box))
