"""Going through batches of pictures with a model in eval mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from kinsight.errors import KinsightError, NotFiniteError
from kinsight.models.embedding import Embedding
from kinsight.models.modes import evaluating
from kinsight.pictures import PictureBatch


class Encoded(NamedTuple):
    """Embeddings of the pictures that could be read.

    Attributes:
        vectors: (R, D) float32.
        indices: (R,) int64, the place of each picture among those given.
        unreadable: path and reason of each picture that was left out.
    """

    vectors: np.ndarray
    indices: np.ndarray
    unreadable: list[tuple[str, str]]


def encode_batches(
    model: nn.Module,
    batches: Iterable[PictureBatch],
    *,
    count: int,
    dim: int,
    device: torch.device,
    normalize: bool,
    progress: bool = False,
    precision: torch.dtype | None = None,
) -> Encoded:
    """Embed batches in eval mode, without gradients; afterwards every part of the model has its own mode again.

    Args:
        model: (B, 3, H, W) -> Embedding.
        batches: preprocessed pictures.
        count: how many pictures come, unreadable ones included.
        dim: D.
        device: where the model stands.
        normalize: whether rows get length 1.
        progress: show a bar.
        precision: arithmetic of the network; None leaves it in the precision of its weights.

    Raises:
        KinsightError: a picture cannot be read and shall not be skipped, or an embedding is not finite.
    """
    vectors = np.empty((count, dim), dtype=np.float32)
    indices = np.empty(count, dtype=np.int64)
    unreadable: list[tuple[str, str]] = []
    known = 0
    bar = tqdm(total=count, unit="picture", desc="embedding", disable=None if progress else True)
    with bar, evaluating(model), torch.inference_mode():
        for batch in batches:
            if len(batch):
                rows = slice(known, known + len(batch))
                with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
                    embedding: Embedding = model(batch.images.to(device, non_blocking=True))
                whole = embedding.normalized if normalize else embedding.whole.float()  # (B, D)
                vectors[rows] = whole.cpu().numpy()
                indices[rows] = batch.indices.numpy()
                known = rows.stop
            unreadable += batch.unreadable
            bar.update(len(batch) + len(batch.unreadable))
    encoded = Encoded(vectors[:known], indices[:known], unreadable)
    _check_finite(encoded)
    return encoded


def tensor_batches(images: Tensor, batch_size: int) -> Iterator[PictureBatch]:
    """Batches of a tensor (N, 3, H, W) that is preprocessed already.

    Raises:
        KinsightError: it is not such a tensor.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise KinsightError(
            f"a {images.dtype} tensor of shape {tuple(images.shape)} is not a batch of preprocessed pictures; give "
            "floats (N, 3, H, W), or the pictures themselves as paths, PIL pictures or uint8 arrays"
        )
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        yield PictureBatch(part, torch.arange(start, start + len(part)), [])


def _check_finite(encoded: Encoded) -> None:
    broken = np.flatnonzero(~np.isfinite(encoded.vectors).all(axis=1))
    if len(broken):
        raise NotFiniteError(
            f"the embeddings of {len(broken)} of {len(encoded.vectors)} pictures are not finite (the first is that of "
            f"picture {encoded.indices[broken[0]]}): the weights have diverged, or the precision is too low for them; "
            "use an earlier checkpoint, or float32"
        )
