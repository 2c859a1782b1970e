"""By what it is seen that a picture's file has changed."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from kinsight.pictures.archive import changed_at, read_bytes


class FileState(NamedTuple):
    """By what a changed file is seen.

    Attributes:
        size: in bytes.
        modified: when it was last changed, in nanoseconds.
        digest: SHA-256 of what it holds.
    """

    size: int
    modified: int
    digest: str


def state_of(path: str, before: FileState | None = None) -> FileState:
    """The state of a file; it is read only where its size or time is another one than before.

    Raises:
        UnreadableFile: it cannot be read.
    """
    size, modified = changed_at(path)
    if before is not None and (size, modified) == (before.size, before.modified):
        return before
    return FileState(size, modified, hashlib.sha256(read_bytes(path)).hexdigest())
