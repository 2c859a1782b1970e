"""Files that are written whole or not at all, and digests of what they hold."""

from __future__ import annotations

import errno
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


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well the file takes its name, else nothing is left.

    Raises:
        KinsightError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
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
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                if file.is_file():
                    _settle(file)
                    file.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner may read
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                older = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
                path.rename(older / path.name)
                temporary.rename(path)
                shutil.rmtree(older, ignore_errors=True)
            else:
                temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


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
    """Remove the temporary files and folders that writings cut off by a kill left directly inside `folder`."""
    for pattern in (".*.part", ".*.old"):
        for left in Path(folder).glob(pattern):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
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
        if number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise KinsightError(
                f"{path} could not be written ({os.strerror(number)}); choose a folder that you may write to"
            ) from None
        raise


def _error_number(problem: Exception) -> int | None:
    if isinstance(problem, OSError):
        return problem.errno
    # safetensors writes in Rust and gives the number of the system's error only in its text.
    found = re.search(r"os error (\d+)", str(problem))
    return int(found[1]) if found else None
