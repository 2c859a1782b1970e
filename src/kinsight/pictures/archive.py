"""Read a file's bytes, whether it lies in a folder or inside a zip archive.

A path may lead into a zip: `/data/X.zip/inside/a.jpg` is the member `inside/a.jpg` of the archive `/data/X.zip`. A
folder whose name ends in `.zip` stays a folder.
"""

from __future__ import annotations

import os
import stat
import threading
import zipfile
import zlib

from kinsight.errors import KinsightError

MAX_BYTES = 2**30
"""A larger file is surely not one picture, and reading it whole could exhaust the memory."""

PACKED = 200
LARGE = 64 * 2**20
"""A member that claims to become larger than `LARGE` and `PACKED` times its packed size is made to exhaust the memory."""

OPEN_ARCHIVES = 32
"""Archives that one thread keeps open; the one opened first is closed when there would be more."""


class UnreadableFile(KinsightError):  # noqa: N818
    """A file cannot be read; the message is the path, the reason and the repair.

    Attributes:
        path: what was asked for, as it was given.
        reason: what is wrong with it, as the second half of a sentence that begins with the path.
        repair: what the user can do.
    """

    def __init__(self, path: str, reason: str, repair: str) -> None:
        super().__init__(path, reason, repair)  # all three, so that the error can be pickled
        self.path = path
        self.reason = reason
        self.repair = repair

    def __str__(self) -> str:
        return f"{self.path} {self.reason}; {self.repair}"


def read_bytes(path: str | os.PathLike[str], *, most: int | None = None) -> bytes:
    """Read a whole file; the path may lead into a zip archive.

    Args:
        most: bytes that make sense; None: `MAX_BYTES`.

    Raises:
        UnreadableFile: there is no such file, it may not be read, it is a pipe or a device, it is larger than `most`, or the
            archive is damaged or made to exhaust the memory.
    """
    path = os.fspath(path)
    most = MAX_BYTES if most is None else most
    try:
        archive, member = _split(path)
        return _read_file(path, most) if archive is None else _read_member(path, archive, member, most)
    except UnreadableFile:
        raise
    except FileNotFoundError:
        raise UnreadableFile(path, "does not exist", "correct the path or restore the file") from None
    except (OSError, ValueError) as problem:  # ValueError: a path with a null byte
        reason = getattr(problem, "strerror", None) or problem
        raise UnreadableFile(path, f"cannot be read ({reason})", "make the file readable or correct the path") from None


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether `path` names a file (not a folder) that `read_bytes` would find, in a folder or inside a zip archive."""
    path = os.fspath(path)
    try:
        archive, member = _split(path)
        if archive is None:
            return os.path.isfile(path)
        return member in _opened(archive).NameToInfo
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def changed_at(path: str | os.PathLike[str]) -> tuple[int, int]:
    """The size in bytes of a file, or of the archive that it lies in, and when that was last changed, in nanoseconds.

    Raises:
        UnreadableFile: there is no such file.
    """
    path = os.fspath(path)
    try:
        found = os.stat(_split(path)[0] or path)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise UnreadableFile(path, f"cannot be read ({reason})", "correct the path or restore the file") from None
    return found.st_size, found.st_mtime_ns


def _split(path: str) -> tuple[str | None, str]:
    """The archive in a path and the name inside it; no archive for an ordinary path."""
    end = -1
    while (end := path.lower().find(".zip", end + 1)) >= 0:
        stop = end + len(".zip")
        if path[stop : stop + 1] in ("/", os.sep) and stop < len(path) and os.path.isfile(path[:stop]):
            return path[:stop], os.path.normpath(path[stop:].lstrip("/" + os.sep)).replace(os.sep, "/")
    return None, path


def _read_file(path: str, most: int) -> bytes:
    with open(path, "rb", opener=_without_waiting) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile(path, "is not a regular file", "give the path of a file")
        _check_size(path, status.st_size, most)
        return stream.read()


def _without_waiting(path: str, flags: int) -> int:
    # A named pipe would be waited for until somebody writes into it; what is no file is refused once it is open.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_member(path: str, archive: str, member: str, most: int) -> bytes:
    try:
        opened = _opened(archive)
        found = opened.getinfo(member)
        _check_size(path, found.file_size, most)
        if found.file_size > max(LARGE, PACKED * found.compress_size):
            reason = f"would unpack from {found.compress_size:,} bytes to {found.file_size:,}, which no picture or table does"
            raise UnreadableFile(path, reason, "leave it out, or unpack it and give the folder")
        return _unpacked(opened, found)
    except KeyError:
        reason = f"does not exist (the archive {archive} has no member {member})"
        raise UnreadableFile(path, reason, "correct the path") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as problem:
        reason = f"cannot be read from its archive ({problem or 'it ends too early'})"
        raise UnreadableFile(path, reason, f"fetch or build {archive} again") from None
    except (RuntimeError, NotImplementedError) as problem:  # encrypted, or an unknown compression
        reason = f"cannot be read from its archive ({problem})"
        raise UnreadableFile(path, reason, f"unpack {archive} and give the folder") from None


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member; never many more in memory than it says it has, whatever it really holds."""
    if member.compress_type == zipfile.ZIP_STORED:
        return archive.read(member)
    # deflate keeps to the number of bytes that is asked for; the others unpack all that a piece of the archive holds.
    piece = 2**20 if member.compress_type == zipfile.ZIP_DEFLATED else 2**12
    with archive.open(member) as stream:
        return b"".join(iter(lambda: stream.read(piece), b""))


def _check_size(path: str, size: int, most: int) -> None:
    if size > most:
        reason = f"has {size / 2**30:.1f} GiB, more than the {most / 2**30:.2g} GiB that are read as one file"
        raise UnreadableFile(path, reason, "give a smaller file")


class _Archives(threading.local):
    """The archives that this thread of this process holds open."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.opened: dict[str, tuple[tuple[int, ...], zipfile.ZipFile]] = {}


_archives = _Archives()


def _opened(archive: str) -> zipfile.ZipFile:
    if _archives.process != os.getpid():
        # After a fork parent and child share the position in the file: each must open its own.
        _archives.process, _archives.opened = os.getpid(), {}
    status = os.stat(archive)
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    known = _archives.opened.get(archive)
    if known is not None and known[0] == state:
        return known[1]
    if known is not None:  # replaced on disk since it was opened
        _archives.opened.pop(archive)[1].close()
    opened = zipfile.ZipFile(archive)
    if len(_archives.opened) >= OPEN_ARCHIVES:
        _archives.opened.pop(next(iter(_archives.opened)))[1].close()
    _archives.opened[archive] = (state, opened)
    return opened
