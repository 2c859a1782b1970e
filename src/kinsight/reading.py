"""Reading files that anybody may have written: only regular files, only within bounds, nothing run.

A named pipe would be waited for without end, a device read without end, a small header may ask for more memory than there is: all of them
are refused before anything is read.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kinsight.errors import KinsightError

if TYPE_CHECKING:
    import numpy as np

MEGABYTE = 2**20
_PACKED = 200  # compressed arrays that claim to become larger by this factor, and large, are a bomb
_LARGE = 1024 * MEGABYTE


def require_file(
    path: str | Path, *, most: int | None = None, otherwise: str = "give the path of an existing file"
) -> Path:
    """The path, if a regular file of at most `most` bytes stands there.

    Args:
        most: bytes; None: any number.
        otherwise: how to repair, the end of the sentence.

    Raises:
        KinsightError: nothing is there, or a folder, a pipe or a device, or a file that is too large or may not be read.
    """
    try:
        found = os.stat(path)
        allowed = os.access(path, os.R_OK)
    except FileNotFoundError:
        raise KinsightError(f"{path} does not exist; {otherwise}") from None
    except (OSError, ValueError) as problem:  # a name that is too long, or holds a NUL
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise KinsightError(f"{str(path)[:200]!r} names no file ({reason}); {otherwise}") from None
    if stat.S_ISDIR(found.st_mode):
        raise KinsightError(f"{path} is a folder where a file is read; {otherwise}")
    if not stat.S_ISREG(found.st_mode):
        raise KinsightError(f"{path} is a pipe or a device and no file; {otherwise}")
    if most is not None and found.st_size > most:
        raise KinsightError(f"{path} has {found.st_size:,} bytes where at most {most:,} make sense; {otherwise}")
    if not allowed:
        raise KinsightError(f"{path} may not be read (permission denied); {otherwise}")
    return Path(path)


def read_text(
    path: str | Path, *, most: int = 256 * MEGABYTE, otherwise: str = "give the path of an existing file"
) -> str:
    """The text of a UTF-8 file.

    Raises:
        KinsightError: as `require_file`, or it is not UTF-8.
    """
    try:
        return require_file(path, most=most, otherwise=otherwise).read_text(encoding="utf-8")
    except OSError as problem:
        raise KinsightError(f"{path} cannot be read ({problem.strerror}); {otherwise}") from None
    except UnicodeDecodeError as problem:
        raise KinsightError(
            f"{path} is no UTF-8 text (byte {problem.start} cannot be read); restore it or write it anew"
        ) from None


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        KinsightError: the file is missing or is not JSON.
    """
    try:
        return parse_json(read_text(path))
    except ValueError as problem:
        raise KinsightError(f"{path} is not valid JSON ({problem}); restore it or write it anew") from None


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, nested too deeply, or holds half a character.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\ud" in text.lower():  # half of a pair of surrogates is read but cannot be written
        json.dumps(value, ensure_ascii=False).encode()
    return value


def read_json_mapping(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        KinsightError: as `read_json`, or it holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(content), "a number")
        raise KinsightError(f"{path} holds {kind} where an object with names belongs; restore it or write it anew")
    return content


def read_npz(
    path: str | Path, names: Collection[str] | None = None, *, otherwise: str = "write it anew"
) -> dict[str, np.ndarray]:
    """The named arrays of an `.npz`, or all of them, without pickle; those of `names` that it does not have are left out.

    What an array's header claims is held against the bytes that are there before memory is taken for it.

    Raises:
        KinsightError: the file is missing, no `.npz` of plain arrays, damaged, or claims more than it holds.
    """
    path = require_file(path, otherwise=otherwise)
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            wanted = {name: member for name, member in members.items() if names is None or name in names}
            unpacked = sum(member.file_size for member in wanted.values())
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in wanted.values())
            if unpacked > (max(_LARGE, _PACKED * size) if packed else size):
                raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}")
            found = {}
            for name, member in wanted.items():
                with archive.open(member) as stream:
                    found[name] = _read_array(stream, member.file_size, name)
            return found
    except Exception as problem:
        # Headers of zip and numpy and five ways of packing: each has errors of its own, and all mean the same to the user.
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise KinsightError(f"{path} is not an .npz of plain arrays ({reason}); {otherwise}") from None


def read_npy(path: str | Path, *, otherwise: str = "write it anew") -> np.ndarray:
    """The array of a `.npy`, without pickle; held against the bytes that are there as those of an `.npz`.

    Raises:
        KinsightError: the file is missing, no `.npy` of a plain array, damaged, or claims more than it holds.
    """
    path = require_file(path, otherwise=otherwise)
    try:
        with path.open("rb") as stream:
            return _read_array(stream, path.stat().st_size, path.stem)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError) as problem:
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise KinsightError(f"{path} is not a .npy of a plain array ({reason}); {otherwise}") from None


def _read_array(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """One `.npy` of `size` bytes, as numpy.lib.format describes it."""
    import numpy as np  # not before it is needed: recipes are read without

    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"array {name} has the unknown format {version}")
    # Version 3 differs from 2 in the encoding of field names alone, which no array here has.
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"array {name} holds Python objects, which can run code when read")
    claimed = math.prod(shape) * dtype.itemsize
    if not 0 <= claimed <= size:
        raise ValueError(f"array {name} claims {claimed:,} bytes and has at most {size:,}")
    data = bytearray(claimed)
    filled = 0
    while filled < claimed and (chunk := stream.read(min(MEGABYTE, claimed - filled))):
        data[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    if filled < claimed:
        raise ValueError(f"array {name} ends early")
    return np.ndarray(shape, dtype, data, order="F" if by_column else "C")
