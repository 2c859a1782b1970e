"""Batches of pictures through bounded workers, the same for any number of them."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kinsight.errors import KinsightError
from kinsight.pictures.decoding import Box, UnreadablePicture, open_picture

log = logging.getLogger("kinsight")
_lowered: set[int] = set()  # numbers of workers of which the user has been told


class Draw(NamedTuple):
    """One picture of one batch: which one, and the seed that alone decides its augmentation."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    seed: int


Item = tuple[Tensor, int, None] | tuple[None, int, UnreadablePicture]


class PictureSet(Dataset[Item]):
    """Pictures and the transform that makes tensors (3, H, W) of them.

    Args:
        sources: paths (they may lead into a zip), PIL pictures or uint8 arrays.
        transform: from upright RGB picture to tensor; it may draw random numbers from torch's CPU generator only.
        boxes: (N, 4), the part of each picture to use, as in `open_picture`; a row of NaN means the whole picture.
        shorter_side: as in `open_picture`.
    """

    def __init__(
        self,
        sources: Sequence[str | Path | Image.Image | np.ndarray],
        transform: Callable[[Image.Image], Tensor],
        *,
        boxes: np.ndarray | None = None,
        shorter_side: int | None = None,
    ) -> None:
        if boxes is not None and np.shape(boxes) != (len(sources), 4):
            raise KinsightError(
                f"boxes of shape {np.shape(boxes)} do not fit {len(sources)} pictures; give x_1, y_1, x_2, y_2 for each"
            )
        self.sources = sources
        self.transform = transform
        self.boxes = None if boxes is None else np.asarray(boxes, dtype=np.float64)
        self.shorter_side = shorter_side
        self.reported: set[str] = set()  # unreadable pictures that the user has been told of

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, draw: Draw | int) -> Item:
        """The tensor (3, H, W) and index of a picture, or instead of the tensor why it cannot be read (never raised).

        With a `Draw` the answer is a pure function of it; with an index the transform goes on in torch's random
        numbers.
        """
        index = draw.index if isinstance(draw, Draw) else int(draw)
        try:
            image = open_picture(self.sources[index], shorter_side=self.shorter_side, box=self._box(index))
        except UnreadablePicture as problem:
            return None, index, problem
        if not isinstance(draw, Draw):
            return self.transform(image), index, None
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: it would also reset the accelerators' generators, which are not restored here.
            torch.default_generator.manual_seed(draw.seed)
            return self.transform(image), index, None

    def _box(self, index: int) -> Box | None:
        if self.boxes is None or np.isnan(self.boxes[index]).any():
            return None
        x_1, y_1, x_2, y_2 = np.rint(self.boxes[index]).astype(int).tolist()
        return x_1, y_1, x_2, y_2


@dataclass
class PictureBatch:
    """The readable pictures of one batch, in its order.

    Attributes:
        images: (B, 3, H, W); (0, 3, 0, 0) when none could be read.
        indices: (B,) int64, the place of each picture in its set.
        unreadable: path and reason of each picture that was left out.
    """

    images: Tensor
    indices: Tensor
    unreadable: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.indices)

    def pin_memory(self) -> PictureBatch:
        """Called by torch's DataLoader when it pins."""
        return PictureBatch(self.images.pin_memory(), self.indices.pin_memory(), self.unreadable)


def load(
    pictures: PictureSet,
    batches: Iterable[Sequence[Draw] | Sequence[int]] | None = None,
    *,
    batch_size: int = 64,
    workers: int = 0,
    on_unreadable: Literal["refuse", "skip"] = "refuse",
    pin: bool = False,
) -> Iterator[PictureBatch]:
    """Go through batches of pictures; the result does not depend on the number of workers.

    At most two batches per worker wait in memory. A batch of which no picture can be read is given empty, so that
    batches keep their numbers.

    Args:
        batches: draws or indices of each batch; None goes once through all pictures in order, `batch_size` at a time.
        workers: processes that decode; 0 decodes in this one. More than the cores can keep busy are lowered, and the log says so.
        on_unreadable: "refuse" stops at the first picture that cannot be read; "skip" leaves it out and logs it once.
        pin: put batches into page-locked memory, for faster copies to a GPU.

    Raises:
        KinsightError: a picture cannot be read and `on_unreadable` is "refuse", or a setting that makes no sense.
    """
    if on_unreadable not in ("refuse", "skip"):
        raise KinsightError(f"on_unreadable {on_unreadable!r} is not known; write refuse or skip")
    if workers < 0 or batch_size < 1:
        raise KinsightError(
            f"workers {workers} and batch_size {batch_size}: write workers 0 or more, batch_size 1 or more"
        )
    batches = _in_order(len(pictures), batch_size) if batches is None else batches
    return _load(pictures, batches, startable(workers), on_unreadable, pin)


def startable(workers: int) -> int:
    """As many of the wanted worker processes as make sense here; that it is fewer is said once.

    Every worker is a whole process that holds its own copy of the program: hundreds of them take all memory before the first
    picture is decoded.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(4, 2 * cores)
    if workers > most and workers not in _lowered:
        _lowered.add(workers)
        log.warning("%d workers are more than %d cores can keep busy; %d are started", workers, cores, most)
    return min(workers, most)


def _load(
    pictures: PictureSet, batches: Iterable[Sequence[Draw] | Sequence[int]], workers: int, on_unreadable: str, pin: bool
) -> Iterator[PictureBatch]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # as many as `startable` lets pass
        loader: DataLoader[Item] = DataLoader(
            pictures,
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=workers,  # each limits itself to one torch thread
            prefetch_factor=2 if workers else None,
            collate_fn=_collate,
            pin_memory=pin,
            generator=torch.Generator(),  # its own, else every pass would move the global one
        )
        loaded = iter(loader)
    batch: PictureBatch
    for batch in loaded:
        for path, reason in batch.unreadable:
            if on_unreadable == "refuse":
                raise KinsightError(
                    f"{path} {reason}; repair it, take it out of the table, "
                    "or leave such pictures out with --data.on_unreadable skip"
                )
            if path not in pictures.reported:
                pictures.reported.add(path)
                log.warning("left out: %s %s", path, reason)
        yield batch


def _in_order(count: int, batch_size: int) -> Iterator[range]:
    for number in range(math.ceil(count / batch_size)):
        yield range(number * batch_size, min((number + 1) * batch_size, count))


def _collate(items: list[Item]) -> PictureBatch:
    images = [tensor for tensor, _, _ in items if tensor is not None]
    return PictureBatch(
        images=torch.stack(images) if images else torch.empty(0, 3, 0, 0),  # (B, 3, H, W)
        indices=torch.tensor([index for tensor, index, _ in items if tensor is not None], dtype=torch.int64),
        unreadable=[(problem.path, problem.reason) for _, _, problem in items if problem is not None],
    )
