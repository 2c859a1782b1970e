"""A trunk that stands still gives every picture the same features each time: they are computed once and read from then on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from kinsight import processes
from kinsight.errors import KinsightError
from kinsight.files import digest
from kinsight.models import Embedder, make_pooling
from kinsight.models.modes import evaluating
from kinsight.models.pooling import MAP
from kinsight.pictures import PictureSet, augmentation, load
from kinsight.pictures.archive import UnreadableFile, read_bytes
from kinsight.pictures.loading import Draw
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings
from kinsight.training.feature_file import Block, FeatureFile, Layout, feature_file
from kinsight.training.precision import DTYPES
from kinsight.training.replica import laid_out
from kinsight.training.seeds import mixed
from kinsight.training.tables import boxes_of

logger = logging.getLogger("kinsight")

LIBRARIES = ("kinsight", "torch", "torchvision", "timm", "pillow")


def epochs_from_features(settings: TrainingSettings, still: int, *, augmented: bool) -> int:
    """During how many epochs, at the beginning, features are read instead of pictures.

    Args:
        still: epochs at the beginning in which the trunk stands still.
        augmented: whether training pictures are.

    Raises:
        KinsightError: features are asked for in a way that makes no sense.
    """
    wanted = settings.features
    if wanted.copies and wanted.once == "never":
        raise KinsightError("features.copies goes with features that are kept; leave it out, or --features.once never")
    if wanted.copies and not augmented:
        raise KinsightError(
            f"features.copies {wanted.copies} of pictures that nothing augments are all alike; leave it out, or choose --data.augmentation"
        )
    asked = "features.once always" if wanted.once == "always" else f"features.copies {wanted.copies}"
    if not still and (wanted.copies or wanted.once == "always"):
        raise KinsightError(
            f"{asked} needs a trunk that stands still, and this one trains from the first epoch on; write --optimizer.trunk_lr 0, or let "
            "it wait with --schedule.head_first"
        )
    if wanted.once == "never":
        return 0
    all_the_time, nothing_lost = still == settings.epochs, still >= 2 and not augmented
    return still if wanted.once == "always" or wanted.copies or all_the_time or nothing_lost else 0


class Features:
    """Features of some rows of the table, in a file.

    Attributes:
        rows: (N,), rising: the rows of the table that the file's pictures are.
        reads: what of the map they are: map, or a pooling.
    """

    def __init__(
        self, file: FeatureFile, rows: np.ndarray, reads: str, dtype: torch.dtype, *, channels_last: bool
    ) -> None:
        self.file, self.rows, self.reads, self.dtype, self.channels_last = file, rows, reads, dtype, channels_last

    def of(self, rows: np.ndarray, seeds: np.ndarray | None = None) -> tuple[Tensor, np.ndarray]:
        """The features of those of these rows (R,) of the table whose pictures could be read, and which of them these are.

        Args:
            seeds: (R,), of draws; each chooses one of the copies.
        """
        pictures = np.searchsorted(self.rows, rows)
        known = np.flatnonzero(self.file.readable(pictures))
        copies = 0 if seeds is None else seeds[known] % self.file.layout.copies
        values = torch.from_numpy(self.file.read(pictures[known], copies)).to(self.dtype)
        # As the trunk lays out its maps: sums over places are rounded alike then.
        return laid_out(values, values.device, channels_last=self.channels_last), known


class StandingTrunk:
    """The trunk of a run while it stands still, and the files that are read instead of it.

    A file is named by the digest of all that decides it (the trunk's weights, preprocessing, augmentation, the pictures), so another one is
    never read by mistake, and runs that differ in anything else share it.

    Args:
        epochs: at the beginning of the run, during which features are read.
        precision: arithmetic of the training passes.
        splits: of which pictures there are features.
        stream: of which stream of the model the trunk is, by the name of its view; None of a model of one. There are features of the
            pictures of its view alone.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        run: RunFolder,
        embedder: Embedder,
        table: pd.DataFrame,
        rows: np.ndarray,
        *,
        epochs: int,
        precision: str = "fp32",
        progress: bool = False,
        splits: Sequence[str] = ("train", "validation"),
        stream: str | None = None,
    ) -> None:
        self.settings, self.run, self.embedder, self.table = settings, run, embedder, table
        self.epochs, self.precision, self.progress = epochs, precision, progress
        self.folder = run.features if settings.features.folder is None else Path(settings.features.folder)
        # The pictures of all folds, so that a file that is shared serves each of them.
        wanted = table["split"].isin(splits) & (True if stream is None else table["view"].astype(str) == stream)
        self.half, self.stream = np.flatnonzero(wanted.to_numpy()), stream
        self.trained = rows if settings.features.folder is None else self.half
        self._known: dict[tuple[Any, ...], Features] = {}

    def at_test_time(self, reads: str) -> Features:
        """What is read of the maps of the pictures of these splits, with the transforms of test time, in float32 arithmetic."""
        return self._features(self.half, MAP if self.embedder.reads == MAP else reads, "none", 0, "fp32")

    @cached_property
    def in_training(self) -> Features:
        """What the head reads of the maps of the training pictures, in as many copies as the settings say."""
        wanted, data = self.settings.features, self.settings.data
        augmented = data.augmentation if wanted.copies else "none"
        rows = self.trained if augmented != "none" else self.half
        found = self._features(rows, self.embedder.reads, augmented, wanted.copies, self.precision)
        if processes.is_main():
            told = {"reads": found.reads, "augmentation": augmented, "copies": wanted.copies, "dtype": wanted.dtype}
            told |= {"epochs": self.epochs, "file": found.file.path.name}
            if self.stream is not None:
                told = {**(self.run.read_protocol().training.features or {}), self.stream: told}
            self.run.update_protocol({"training": {"features": told}})
        return found

    def _features(self, rows: np.ndarray, reads: str, augmented: str, copies: int, precision: str) -> Features:
        known = (len(rows), reads, augmented, copies, precision)
        if known not in self._known:
            self._known[known] = self._opened(rows, reads, augmented, copies, precision)
        return self._known[known]

    def _opened(self, rows: np.ndarray, reads: str, augmented: str, copies: int, precision: str) -> Features:
        trunk, dtype = self.embedder.trunk, self.settings.features.dtype
        shape = (trunk.channels, *trunk.map_size) if reads == MAP else (trunk.channels,)
        layout = Layout(len(rows), max(1, copies), shape, dtype)
        pictures = self._pictures(rows, augmented)
        about = {
            "reads": reads,
            "trunk": self.embedder.settings.trunk,
            "augmentation": augmented,
            "copies": copies,
            "precision": precision,
            "dtype": dtype,
            "pictures": len(rows),
            "preprocessing": self.embedder.preprocessing.to_dict(),
            "versions": _versions(),
        }
        path = self.folder / f"{reads}-{self._digest(rows, about)[:24]}"
        if processes.is_main():
            logger.info(self._sentence(path, layout, reads, augmented))
        computing = _Computing(self, pictures, layout, reads, precision)
        file = feature_file(path, layout, about, computing.blocks)
        if len(file.unreadable):  # told or refused in the words of any other batch
            for _ in load(pictures, [file.unreadable.tolist()], on_unreadable=self.settings.data.on_unreadable):
                pass
        return Features(file, rows, reads, DTYPES[precision], channels_last=self.settings.channels_last)

    def _pictures(self, rows: np.ndarray, augmented: str) -> PictureSet:
        transform = augmentation(augmented, self.embedder.preprocessing)
        return PictureSet(
            self.table["path"].iloc[rows].tolist(),
            transform,
            boxes=boxes_of(self.table, rows) if self.settings.data.crop_to_box else None,
            shorter_side=transform.shorter_side,
        )

    def _digest(self, rows: np.ndarray, about: Mapping[str, Any]) -> str:
        """SHA-256 of all that decides the features, the same on every process."""
        found = bytes(32)
        if processes.is_main():
            boxes = boxes_of(self.table, rows) if self.settings.data.crop_to_box else np.zeros(0)
            pictures = self._picture_digests[np.searchsorted(self.half, rows)]
            described = json.dumps(about, sort_keys=True)
            found = bytes.fromhex(digest(described, self.embedder.trunk_digest(), pictures, boxes))
        return bytes(processes.broadcast(torch.tensor(list(found), dtype=torch.uint8)).tolist()).hex()

    @cached_property
    def _picture_digests(self) -> np.ndarray:
        """Of the contents of every picture, (N, 32) uint8: a changed one is noticed whatever its date says."""
        paths = self.table["path"].iloc[self.half].tolist()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(_content_digests, [paths[start : start + 64] for start in range(0, len(paths), 64)]))
        return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(-1, 32)

    def _sentence(self, path: Path, layout: Layout, reads: str, augmented: str) -> str:
        shape = " x ".join(map(str, layout.shape))
        what = f"its maps ({shape})" if reads == MAP else f"its pooled features ({reads}, {shape} numbers)"
        wished, copies = self.settings.data.augmentation, layout.copies
        seen = "as at test time"
        if augmented != "none":
            seen = f"{copies} augmented {'copy' if copies == 1 else 'copies'} of each ({augmented})"
        elif wished != "none" and not self.settings.features.copies:
            seen = f"without augmentation {wished} (--features.copies 8 computes augmented copies, --features.once never reads pictures)"
        done = "are read from" if path.is_dir() else "are computed once and read from"
        trunk = f"the trunk of {self.stream}" if self.stream else "the trunk"
        return f"{trunk} stands still: {what} of {layout.pictures:,} pictures {done} {path} ({layout.megabytes:,.1f} MB), {seen}"


Standing = (
    StandingTrunk | dict[str, StandingTrunk]
)  # of a model of two streams the trunk of each, by the name of its view


class _Computing:
    """Pictures through the trunk as it stands."""

    def __init__(self, of: StandingTrunk, pictures: PictureSet, layout: Layout, reads: str, precision: str) -> None:
        self.embedder, self.settings, self.shown = of.embedder, of.settings, of.progress and processes.is_main()
        self.pictures, self.layout, self.precision = pictures, layout, precision
        self.pooling = nn.Identity() if reads == MAP else make_pooling(reads, map_size=self.embedder.trunk.map_size)

    def blocks(self, blocks: Sequence[range]) -> Iterator[Block]:
        """See `feature_file.Compute`."""
        copies, data = self.layout.copies, self.settings.data
        # The copies of a picture are the same for every seed of a run, so that the repeats of a training share them.
        draws = [[Draw(item // copies, mixed(item % copies, item // copies)) for item in block] for block in blocks]
        pin = self.embedder.device.type == "cuda"
        loaded = load(self.pictures, draws, workers=data.workers, on_unreadable=data.on_unreadable, pin=pin)
        bar = tqdm(total=sum(map(len, blocks)), unit="picture", desc="features", disable=None if self.shown else True)
        with bar, evaluating(self.embedder):
            for block, batch in zip(blocks, loaded, strict=True):
                items = np.arange(block.start, block.stop)
                readable = items[np.isin(items // copies, batch.indices.numpy())]
                yield readable, self._features(batch.images) if len(batch) else np.zeros((0, *self.layout.shape))
                bar.update(len(block))

    def _features(self, images: Tensor) -> np.ndarray:
        images = laid_out(images, self.embedder.device, channels_last=self.settings.channels_last)
        lowered = self.precision != "fp32"
        with torch.inference_mode(), torch.autocast(images.device.type, DTYPES[self.precision], enabled=lowered):
            found: np.ndarray = (
                self.pooling(self.embedder.trunk(images)).float().cpu().numpy()
            )  # (B, C, h, w) or (B, C)
        if np.abs(found).max() > np.finfo(self.layout.dtype).max:
            raise KinsightError(
                f"the trunk's features reach {np.abs(found).max():.3g}, beyond the range of float16; write --features.dtype float32"
            )
        return found


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _content_digests(paths: Sequence[str]) -> bytes:
    return b"".join(map(_content_digest, paths))


def _content_digest(path: str) -> bytes:
    try:
        return hashlib.sha256(read_bytes(path)).digest()
    except UnreadableFile:
        return bytes(32)
