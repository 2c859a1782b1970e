"""kinsight.embed: the embeddings of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from kinsight.api.columns import columns_of
from kinsight.api.load import load
from kinsight.api.numbers import require_whole
from kinsight.api.one_group import check_group, group_vectors
from kinsight.data import read_pictures
from kinsight.errors import KinsightError
from kinsight.files import require_writable, write_npz
from kinsight.models import Model, TwoStreams
from kinsight.processes import device
from kinsight.settings.training import DataSettings
from kinsight.training.encoding import encode_rows

Pictures = str | Path | Sequence[str | Path]

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


@dataclass
class Embeddings:
    """Vectors `(N, D)` float32 with what they are of: `ids (N,)`, `labels (N,)` or None, and the digest of the model."""

    ids: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray | None
    digest: str

    def save(self, path: str | Path) -> Path:
        """Write an `.npz` without pickle, whole or not at all."""
        arrays = {"ids": self.ids, "vectors": self.vectors, "digest": np.array(self.digest)}
        if self.labels is not None:
            arrays["labels"] = self.labels
        write_npz(path, arrays)
        return Path(path)


def embed(
    model: Model | str | Path,
    pictures: Pictures,
    *,
    out: str | Path | None = None,
    batch_size: int = 64,
    workers: int = 2,
    crop_to_box: bool = False,
    on_unreadable: Literal["refuse", "skip"] = "refuse",
    progress: bool = False,
    group: int | None = None,
    stream: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> Embeddings:
    """Embed a table, a folder, a zip, one picture, or a list of pictures.

    Args:
        model: a model, or the folder of a run or model.
        pictures: a table, folder, zip, picture or list; labels are known where a table or class folders give them.
        out: an `.npz` to write as well: `ids`, `vectors`, `labels` where known, `digest`.
        batch_size: pictures encoded at a time.
        workers: processes that decode pictures; 0: none beside the main one.
        crop_to_box: cut every picture to its box in the table.
        on_unreadable: `refuse` stops with the path of a corrupt picture, `skip` leaves it out.
        group: of a model with groups: the vectors of this group alone, of length 1.
        stream: of a model of two streams: of which view the pictures are; None: the table's column `view` says so.
        root, path_column, label_column: of a table: where its relative paths begin, and its columns under names of their own.

    Raises:
        KinsightError: the model or the pictures cannot be read, or the model has no such group.
    """
    require_whole(1, batch_size=batch_size)
    require_whole(0, workers=workers)
    if out is not None:
        require_writable(out)
    embedder = model if isinstance(model, Model) else load(model, device=device())
    if stream is not None:
        embedder = _stream(embedder, stream)
    if group is not None:
        check_group(embedder, group)
    columns = columns_of(pictures, root=root, path_column=path_column, label_column=label_column, what="pictures")
    table = pictures_table(pictures, columns)
    data = DataSettings(workers=workers, crop_to_box=crop_to_box, on_unreadable=on_unreadable)
    encoded = encode_rows(embedder, table, np.arange(len(table)), data, batch_size=batch_size, progress=progress)
    vectors = encoded.vectors if group is None else group_vectors(encoded.vectors, embedder.groups)[:, group]
    labels = table["label"].to_numpy()[encoded.rows] if "label" in table.columns else None
    if labels is not None and labels.dtype == object:
        labels = labels.astype(str)
    found = Embeddings(table["id"].to_numpy()[encoded.rows].astype(str), vectors, labels, embedder.digest())
    if out is not None:
        found.save(out)
    return found


def _stream(model: Model, name: str) -> Model:
    if not isinstance(model, TwoStreams):
        raise KinsightError(f"the stream {name} was asked of a model of one stream; leave it out")
    return model.stream(name)


def pictures_table(
    pictures: Pictures, columns: Mapping[str, str] | None = None, *, split_by: str | None = None
) -> pd.DataFrame:
    """A table with `id` and `path`, and `label` where a table or class folders give it.

    Args:
        columns, split_by: how a table is read, where not as usual.

    Raises:
        KinsightError: nothing was given, or it cannot be read.
    """
    if isinstance(pictures, (str, Path)):
        path = Path(pictures)
        if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
            return pictures_table([path])
        return read_pictures(path, split_by=split_by, **(columns or {}))
    if not len(pictures):
        raise KinsightError("no pictures were given; name at least one file, folder, table or zip")
    return pd.DataFrame(
        {"id": [str(file) for file in pictures], "path": [str(Path(file).resolve()) for file in pictures]}
    )
