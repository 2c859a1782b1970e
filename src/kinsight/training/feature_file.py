"""Features of pictures on disk: written block by block, read memory-mapped, taken for whole only when they are.

FOLDER/NAME/features.npy   (items, ...), an item is one copy of one picture, the copies of a picture beside one another
FOLDER/NAME/items.npy      of each whether its picture could be read, and a checksum
FOLDER/NAME/about.json     what they are of, for a person

Until all is there the folder is called `.NAME.part`. Whoever computes holds a lock on it, so that other runs wait for their share of the
work instead of doing it again; a killed one lets go, and the next goes on with the blocks that are whole.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinsight import processes
from kinsight.errors import KinsightError
from kinsight.files import explained, write_json
from kinsight.reading import require_file

try:
    import fcntl
except ImportError:  # where there are no such locks, two runs may do the same work, to the same end
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("kinsight")

BLOCK = 64
"""Items that are computed and written at a time; it decides who meets whom in a pass of the network, so it depends on nothing."""
READABLE, UNREADABLE = 1, 2
_ITEM = np.dtype([("state", "u1"), ("checksum", "<u4")])  # state 0: not computed yet

Block = tuple[np.ndarray, np.ndarray]
Compute = Callable[[Sequence[range]], Iterator[Block]]
"""Blocks of items -> of each block the items (R,) that could be read and their features (R, ...)."""


@dataclass(frozen=True)
class Layout:
    """How a file is laid out: so many pictures, each in so many copies, with features of that shape and type."""

    pictures: int
    copies: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def items(self) -> int:
        """All copies of all pictures."""
        return self.pictures * self.copies

    @property
    def item_bytes(self) -> int:
        """What one of them takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def megabytes(self) -> float:
        """What all of them take."""
        return self.items * self.item_bytes / 1e6


class FeatureFile:
    """A file that is whole, opened to be read; only the features that are asked for come into memory.

    Raises:
        KinsightError: it is damaged; its first words are the reason.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path, layout
        self.features = _mapped(path / "features.npy", (layout.items, *layout.shape), np.dtype(layout.dtype))
        self.items = _mapped(path / "items.npy", (layout.items,), _ITEM)
        if not np.isin(self.items["state"], (READABLE, UNREADABLE)).all():
            raise KinsightError("not all of its features are there")
        self._checked = np.zeros(layout.items, dtype=bool)

    @property
    def unreadable(self) -> np.ndarray:
        """The pictures (R,) that could not be read."""
        return np.flatnonzero(self.items["state"][:: self.layout.copies] == UNREADABLE)

    def readable(self, pictures: np.ndarray) -> np.ndarray:
        """Whether each of these pictures (R,) could be read, (R,)."""
        return self.items["state"][pictures * self.layout.copies] == READABLE

    def read(self, pictures: np.ndarray, copies: np.ndarray | int = 0) -> np.ndarray:
        """The features (R, ...) of these copies (R,) of these pictures (R,); each is held against its checksum when it is first read.

        Raises:
            KinsightError: one is not as it was written.
        """
        numbers = pictures * self.layout.copies + copies
        found = np.asarray(self.features[numbers])
        for place in np.flatnonzero(~self._checked[numbers]):
            if _checksum(found[place]) != self.items["checksum"][numbers[place]]:
                raise KinsightError(
                    f"{self.path} is damaged (the features of picture {pictures[place]} are not as they were written); remove it, and the "
                    "same command computes them anew"
                )
        self._checked[numbers] = True
        return found


def feature_file(path: Path, layout: Layout, about: Mapping[str, Any], compute: Compute) -> FeatureFile:
    """The file, computed first where it is not whole. All processes call this; each computes its share of the blocks.

    Args:
        path: the folder that it is.
        about: what stands in `about.json`.
        compute: gives one answer a block, in order.

    Raises:
        KinsightError: there is no room for it, or a picture cannot be read.
    """
    part = path.with_name(f".{path.name}.part")
    held, refusal = None, torch.zeros((), dtype=torch.int64)
    if processes.is_main():
        with explained(path):
            held = _claimed(path, part, layout)
        refusal += 0 if held is None else 1 if _has_room(part, layout) else 2
    try:
        answer = int(processes.broadcast(refusal))
        if answer == 2:
            raise KinsightError(
                f"{layout.megabytes:,.0f} MB of features do not fit into {path.parent}, where {_free(part) / 1e6:,.0f} MB are free; free "
                "some, or write another --features.folder, --features.dtype float16, fewer --features.copies, or --features.once never"
            )
        if answer == 1:
            with explained(path):
                _compute(part, layout, compute)
            processes.wait()
            if processes.is_main():
                with explained(path):
                    _finish(part, path, about)
            processes.wait()
    finally:
        if held is not None:
            os.close(held)
    try:
        return FeatureFile(path, layout)
    except KinsightError as problem:
        raise KinsightError(
            f"{path} cannot be read ({problem}); let all processes see the same folder, or remove it so that it is computed anew"
        ) from None


def _claimed(path: Path, part: Path, layout: Layout) -> int | None:
    """A lock on the unfinished file, made ready to be gone on with; None: the file is whole, perhaps by another run that held the lock."""
    while (problem := _problem(path, layout)) is not None:
        part.mkdir(parents=True, exist_ok=True)
        held = os.open(part, os.O_RDONLY)
        _lock(held, part)
        # Who held it before may have finished meanwhile: then this is a lock on what has another name now.
        mine = part.is_dir() and os.path.samestat(os.stat(part), os.fstat(held))
        if mine and _problem(path, layout) is not None:
            if problem:
                logger.warning("%s is damaged (%s), so its features are computed anew", path, problem)
            _prepare(part, layout)
            return held
        if mine:
            shutil.rmtree(part, ignore_errors=True)
        os.close(held)
    return None


def _problem(path: Path, layout: Layout) -> str | None:
    """What is wrong with a file, empty where there is none; None: it is whole."""
    if not os.path.lexists(path):
        return ""
    try:
        FeatureFile(path, layout)
    except KinsightError as problem:
        return str(problem)
    return None


def _lock(held: int, part: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("waiting for another run that computes the features in %s", part.parent)
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        pass


def _prepare(part: Path, layout: Layout) -> None:
    """Empty files where there are none of this layout."""
    try:
        _mapped(part / "features.npy", (layout.items, *layout.shape), np.dtype(layout.dtype))
        _mapped(part / "items.npy", (layout.items,), _ITEM)
    except KinsightError:
        np.save(part / "items.npy", np.zeros(layout.items, _ITEM))
        np.lib.format.open_memmap(part / "features.npy", "w+", np.dtype(layout.dtype), (layout.items, *layout.shape))


def _compute(part: Path, layout: Layout, compute: Compute) -> None:
    """Fill this process's share of the blocks, those that are whole already left out."""
    known = np.lib.format.open_memmap(part / "features.npy", mode="r")
    items = np.lib.format.open_memmap(part / "items.npy", mode="r+")
    blocks = [range(start, min(start + BLOCK, layout.items)) for start in range(0, layout.items, BLOCK)]
    mine = blocks[processes.rank() :: processes.count()]
    mine = [block for block in mine if not _is_done(known, items, block)]
    with (part / "features.npy").open("r+b") as stream:
        for block, (readable, features) in zip(mine, compute(mine), strict=True):
            values = np.zeros((len(block), *layout.shape), layout.dtype)
            values[readable - block.start] = features
            # Written, not mapped: a full disk is then an error that can be told, and not the end of the process.
            stream.seek(known.offset + block.start * layout.item_bytes)
            stream.write(values.tobytes())
            stream.flush()
            states = np.full(len(block), UNREADABLE)
            states[readable - block.start] = READABLE
            items["checksum"][block.start : block.stop] = [_checksum(value) for value in values]
            items["state"][block.start : block.stop] = states
    items.flush()


def _is_done(features: np.ndarray, items: np.ndarray, block: range) -> bool:
    part = slice(block.start, block.stop)
    if not items["state"][part].all():
        return False
    return [_checksum(value) for value in features[part]] == items["checksum"][part].tolist()


def _finish(part: Path, path: Path, about: Mapping[str, Any]) -> None:
    write_json(part / "about.json", about)
    for file in part.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    if path.is_dir() and not path.is_symlink():  # damaged
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    part.rename(path)


def _mapped(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """An array of that shape and type, not loaded.

    Raises:
        KinsightError: it is not there, cut off, or another one.
    """
    require_file(file)
    try:
        found = np.lib.format.open_memmap(file, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError) as problem:
        raise KinsightError(f"{file.name}: {' '.join(str(problem).split())[:200]}") from None
    if (found.shape, found.dtype) != (shape, dtype):
        raise KinsightError(f"{file.name} has {found.dtype} {found.shape} where {dtype} {shape} belongs")
    return found


def _has_room(part: Path, layout: Layout) -> bool:
    there = sum(file.stat().st_blocks * 512 for file in part.iterdir() if hasattr(file.stat(), "st_blocks"))
    return layout.items * (layout.item_bytes + _ITEM.itemsize) <= _free(part) + there


def _free(part: Path) -> int:
    return shutil.disk_usage(part).free


def _checksum(value: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(value).view(np.uint8).reshape(-1).data)
