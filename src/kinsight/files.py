"""Files that are written whole or not at all, and digests of what they hold."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from kinsight.errors import KinsightError

_FOLDER = "choose a folder that you may write to"
_ELSEWHERE = {  # errors of the system that say that this place will not do, and what will
    errno.EACCES: _FOLDER,
    errno.EPERM: _FOLDER,
    errno.EROFS: _FOLDER,
    errno.ENOTDIR: _FOLDER,
    errno.EEXIST: _FOLDER,
    errno.ENOENT: _FOLDER,  # /proc and the like, where nothing can be made
    errno.EINVAL: _FOLDER,
    errno.ENXIO: _FOLDER,
    errno.EISDIR: "a folder has this name, so choose the name of a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "choose a place that no circle of links leads to",
}


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well the file takes its name, else nothing is left.

    Raises:
        KinsightError: the folder cannot be written or the disk is full.
    """
    path = named(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _settle(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: str | Path) -> Iterator[Path]:
    """As `writing`, for a whole folder: it takes its name only when complete, and replaces an older one of that name."""
    path = named(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=".part", dir=path.parent))
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                if file.is_file():
                    _settle(file)
                    file.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner may read
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                # A kill between these two leaves the older one aside, where `standing` finds it.
                older = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=".old", dir=path.parent))
                path.rename(older / path.name)
                temporary.rename(path)
                shutil.rmtree(older, ignore_errors=True)
            else:
                temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def standing(path: str | Path) -> Path:
    """Where the folder of that name stands: there, or where a kill left the older one while `writing_folder` replaced it."""
    path = Path(path)
    if not os.path.lexists(path) and path.parent.is_dir():
        for aside in path.parent.glob(f"{glob.escape(_prefix(path))}*.old"):
            if (aside / path.name).is_dir():
                return aside / path.name
    return path


def named(path: str | Path) -> Path:
    """The path, if it can be the name of something that is written.

    Raises:
        KinsightError: it is empty, holds a NUL, or is not UTF-8.
    """
    text = os.fspath(path)
    if not text.strip() or "\0" in text:
        raise KinsightError(f"{text!r} is no name of a file; write one such as results/page.html")
    if not is_unicode(text):
        raise KinsightError(f"{text!r} is no name in UTF-8; choose another name")
    return Path(text)


def require_writable(path: str | Path) -> Path:
    """The path, if a file can be written there; asked before long work, and nothing is left behind.

    Raises:
        KinsightError: it is empty, too long, a folder, or in a place that cannot be written.
    """
    path = named(path)
    with explained(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            raise KinsightError(f"{path} is a pipe or a device; choose the name of a file")
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        handle, name = tempfile.mkstemp(prefix=".writable.", suffix=".part", dir=folder)
        os.close(handle)
        os.unlink(name)
    return path


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON, whole or not at all; numpy numbers become plain ones."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays without pickle, whole or not at all.

    Raises:
        KinsightError: an array holds Python objects, or the file cannot be written.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise KinsightError(f"array {name} for {path} holds Python objects; give plain numbers or texts")
    with writing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def sweep(folder: str | Path) -> None:
    """Put right what writings cut off by a kill left directly inside `folder`: what they left is removed, but a folder that was about to
    be replaced takes its name again."""
    for aside in Path(folder).glob(".*.old/*"):
        if aside.is_dir() and not os.path.lexists(Path(folder) / aside.name):
            aside.rename(Path(folder) / aside.name)
    for pattern in (".*.part", ".*.old"):
        for left in Path(folder).glob(pattern):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def sweep_parts(path: str | Path) -> None:
    """Remove what writings of one file left beside it when they were cut off by a kill."""
    path = Path(path)
    for left in path.parent.glob(f"{glob.escape(_prefix(path))}*.part"):
        left.unlink(missing_ok=True)


def digest(*parts: str | bytes | np.ndarray) -> str:
    """SHA-256 (hexadecimal) of the parts in order; each part is preceded by its length so that borders count."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else _bytes(part)
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def _bytes(array: np.ndarray) -> bytes:
    return f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _settle(file: Path) -> None:
    # A rename is only as good as the bytes behind it: after a power cut the new name must not point to an empty file.
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder met while writing `path` into a KinsightError that says so."""
    try:
        yield
    except (OSError, SafetensorError) as problem:
        number = _error_number(problem)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise KinsightError(
                f"{path} could not be written: no space is left there; free some or choose another folder"
            ) from None
        if number in _ELSEWHERE:
            shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}..."
            raise KinsightError(f"{shown} could not be written ({os.strerror(number)}); {_ELSEWHERE[number]}") from None
        raise


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."  # the name itself may be as long as the system allows


def is_unicode(text: str) -> bool:
    """Whether a text can be written; the name of a file whose bytes are no UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:  # such bytes stand in it as half characters
        return False
    return True


def _error_number(problem: Exception) -> int | None:
    if isinstance(problem, OSError):
        return problem.errno
    # safetensors writes in Rust and gives the number of the system's error only in its text.
    found = re.search(r"os error (\d+)", str(problem))
    return int(found[1]) if found else None
