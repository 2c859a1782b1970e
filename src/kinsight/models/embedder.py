"""A trunk, a head and what they are fed with: pictures in, embeddings out; saved and loaded as one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding
from kinsight.models.heads import complete_choice, make_head
from kinsight.models.settings import ModelSettings
from kinsight.models.storage import digest_of, put_tensors, read_model, write_model
from kinsight.models.trunk import Trunk, seeded
from kinsight.pictures import PictureBatch, PictureSet, Preprocessing, load

Picture = str | Path | Image.Image | np.ndarray


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


class Embedder(nn.Module):
    """Pictures to embeddings. Made by `build_embedder` or `load_embedder`.

    Attributes:
        trunk: (N, 3, H, W) -> feature map (N, C, h, w).
        head: feature map -> Embedding.
        preprocessing: What the trunk is fed with.
        settings: What it was built from, with every default filled in.
        dim: D.
    """

    def __init__(self, trunk: Trunk, head: nn.Module, preprocessing: Preprocessing, settings: ModelSettings) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.preprocessing = preprocessing
        self.settings = settings
        self.dim: int = head.dim  # type: ignore[assignment]

    @property
    def device(self) -> torch.device:
        """Where the model stands."""
        return next(self.parameters()).device

    def forward(self, images: Tensor) -> Embedding:
        """(N, 3, H, W), preprocessed -> the embeddings of N pictures, not normalised."""
        return self.head(self.trunk(images))

    def encode(
        self,
        pictures: Picture | Sequence[Picture] | Tensor,
        *,
        batch_size: int = 64,
        workers: int = 0,
        on_unreadable: Literal["refuse", "skip"] = "refuse",
        normalise: bool | None = None,
        progress: bool = False,
        precision: torch.dtype | None = None,
    ) -> np.ndarray:
        """Embed pictures in eval mode, without gradients; the model's modes are put back afterwards.

        Args:
            pictures: Paths (they may lead into a zip), PIL pictures or uint8 arrays (H, W, 3) or (H, W); one of them counts as a
                list of one. Or a tensor (N, 3, H, W) that is preprocessed already.
            batch_size: Pictures at a time; it does not change the result beyond rounding.
            workers: Processes that decode; 0 decodes in this one.
            on_unreadable: "refuse" stops at the first picture that cannot be read; "skip" leaves it out, so that the result
                has fewer rows (`encode_set` says which).
            normalise: Whether rows get length 1; None follows the model's own setting `l2`.
            progress: Show a bar.
            precision: Arithmetic of the network, such as torch.bfloat16; None leaves it in the precision of its weights.

        Returns:
            (N, D) float32, one row a readable picture, in order.

        Raises:
            KinsightError: a picture cannot be read, or an embedding is not finite.
        """
        if isinstance(pictures, Tensor):
            batches, count = _slices(pictures, batch_size), len(pictures)
            return self._encode(batches, count, normalise, progress, precision).vectors
        if isinstance(pictures, str | Path | Image.Image) or (isinstance(pictures, np.ndarray) and pictures.ndim < 4):
            pictures = [pictures]
        prepared = PictureSet(pictures, self.preprocessing.transform(), shorter_side=self.preprocessing.shorter_side)
        return self.encode_set(
            prepared,
            batch_size=batch_size,
            workers=workers,
            on_unreadable=on_unreadable,
            normalise=normalise,
            progress=progress,
            precision=precision,
        ).vectors

    def encode_set(
        self,
        pictures: PictureSet,
        *,
        batch_size: int = 64,
        workers: int = 0,
        on_unreadable: Literal["refuse", "skip"] = "refuse",
        normalise: bool | None = None,
        progress: bool = False,
        precision: torch.dtype | None = None,
    ) -> Encoded:
        """As `encode`, for a set of pictures with its own transform and boxes; also says which rows could be read.

        Raises:
            KinsightError: a picture cannot be read and `on_unreadable` is "refuse", or an embedding is not finite.
        """
        batches = load(
            pictures,
            batch_size=batch_size,
            workers=workers,
            on_unreadable=on_unreadable,
            pin=self.device.type == "cuda",
        )
        return self._encode(batches, len(pictures), normalise, progress, precision)

    def _encode(
        self,
        batches: Iterator[PictureBatch],
        count: int,
        normalise: bool | None,
        progress: bool,
        precision: torch.dtype | None,
    ) -> Encoded:
        vectors = np.empty((count, self.dim), dtype=np.float32)
        indices = np.empty(count, dtype=np.int64)
        unreadable: list[tuple[str, str]] = []
        known = 0
        bar = tqdm(total=count, unit="picture", desc="embedding", disable=not progress)
        with bar, _evaluating(self), torch.inference_mode():
            for batch in batches:
                if len(batch):
                    rows = slice(known, known + len(batch))
                    vectors[rows] = self._vectors(batch.images, normalise, precision)
                    indices[rows] = batch.indices.numpy()
                    known = rows.stop
                unreadable += batch.unreadable
                bar.update(len(batch) + len(batch.unreadable))
        vectors, indices = vectors[:known], indices[:known]
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            raise KinsightError(
                f"the embeddings of {len(broken)} of {known} pictures are not finite (the first is picture {indices[broken[0]]}); "
                "the weights have diverged, or the precision is too low for them: use an earlier checkpoint, or float32"
            )
        return Encoded(vectors, indices, unreadable)

    def _vectors(self, images: Tensor, normalise: bool | None, precision: torch.dtype | None) -> np.ndarray:
        images = images.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, dtype=precision, enabled=precision is not None):
            embedding: Embedding = self(images)
        wanted = self.settings.l2 if normalise is None else normalise
        return (embedding.normalised if wanted else embedding.whole.float()).cpu().numpy()  # (B, D)

    def digest(self) -> str:
        """SHA-256 of all that decides an embedding: weights, architecture, preprocessing. Equal after saving and loading."""
        return digest_of(self._architecture(), self.state_dict())

    def save(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, whole or not at all.

        Raises:
            KinsightError: the folder cannot be written, or holds something else than a model.
        """
        settings = asdict(self.settings)
        for origin in ("pretrained", "weights"):  # where the values came from once; now they are in the folder
            del settings[origin]
        config = {
            "settings": settings,
            "preprocessing": self.preprocessing.to_dict(),
            "dim": self.dim,
            "digest": self.digest(),
        }
        write_model(folder, config, self.state_dict())

    def _architecture(self) -> dict[str, Any]:
        return {**_architecture(self.settings), "preprocessing": self.preprocessing.to_dict()}


def build_embedder(settings: ModelSettings, *, seed: int = 0) -> Embedder:
    """Build a model from its settings.

    Args:
        settings: Trunk, head and preprocessing.
        seed: Seed of all initial values; nothing else decides them, and torch's generators are left as they were.

    Raises:
        KinsightError: a setting that is not allowed, or weights that cannot be had or do not fit.
    """
    settings = replace(settings, head=complete_choice(settings.head))
    try:
        json.dumps(_architecture(settings))
    except TypeError as problem:
        raise KinsightError(
            f"trunk_options and head must hold plain values, as YAML does ({problem}); write them so"
        ) from None
    size = _size(settings)
    with seeded(seed):
        trunk = Trunk(
            settings.trunk,
            pretrained=settings.pretrained,
            weights=settings.weights,
            options=settings.trunk_options,
            frozen_norm=settings.frozen_norm,
            size=size,
        )
        head = make_head(settings.head, trunk.channels, trunk.map_size)
    preprocessing = _preprocessing(settings, trunk)
    return Embedder(trunk, head, preprocessing, replace(settings, mean=[*preprocessing.mean], std=[*preprocessing.std]))


def load_embedder(folder: str | Path, device: str | torch.device = "cpu") -> Embedder:
    """Read a model that `Embedder.save` wrote. Nothing is unpickled and nothing fetched.

    Args:
        folder: The model folder.
        device: Where the model shall stand.

    Returns:
        The model in eval mode.

    Raises:
        KinsightError: a file is missing or damaged, its parts are not of one model, or there is no such device.
    """
    config, tensors = read_model(folder)
    names = {each.name for each in fields(ModelSettings)} - {"pretrained", "weights"}
    if set(config["settings"]) != names:
        differing = ", ".join(sorted(set(config["settings"]) ^ names))
        raise KinsightError(f"config.json in {folder} has too few or unknown settings ({differing}); restore the file")
    built = build_embedder(ModelSettings(**config["settings"]))
    embedder = Embedder(built.trunk, built.head, Preprocessing.from_dict(config["preprocessing"]), built.settings)
    put_tensors(embedder, tensors, folder)
    if embedder.digest() != config["digest"]:
        raise KinsightError(
            f"{folder} is not as it was saved (its digest differs): a file was changed or damaged; restore it"
        )
    try:
        return embedder.to(device).eval()
    except (RuntimeError, AssertionError) as problem:
        raise KinsightError(
            f"the model cannot be put on device {str(device)!r} ({problem}); write cpu, or cuda where there is one"
        ) from None


def _architecture(settings: ModelSettings) -> dict[str, Any]:
    """What of the settings decides an embedding, apart from the preprocessing."""
    return {
        "trunk": settings.trunk,
        "trunk_options": settings.trunk_options,
        "head": settings.head,
        "l2": settings.l2,
    }


def _size(settings: ModelSettings) -> tuple[int, int]:
    size = settings.size if isinstance(settings.size, int) else tuple(settings.size)
    return Preprocessing(size=size, resize=settings.resize).height_width  # type: ignore[arg-type]


def _preprocessing(settings: ModelSettings, trunk: Trunk) -> Preprocessing:
    # timm's values are for red, green, blue from 0 to 1.
    def own(values: tuple[float, ...]) -> list[float]:
        return [settings.scale * value for value in (reversed(values) if settings.bgr else values)]

    return Preprocessing(
        size=_size(settings),
        resize=settings.resize,
        mean=tuple(own(trunk.default_mean) if settings.mean is None else settings.mean),
        std=tuple(own(trunk.default_std) if settings.std is None else settings.std),
        bgr=settings.bgr,
        scale=settings.scale,
    )


def _slices(images: Tensor, batch_size: int) -> Iterator[PictureBatch]:
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise KinsightError(
            f"a {images.dtype} tensor of shape {tuple(images.shape)} is not a batch of preprocessed pictures; give floats "
            "(N, 3, H, W), or the pictures themselves as paths, PIL pictures or uint8 arrays"
        )
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        yield PictureBatch(part, torch.arange(start, start + len(part)), [])


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside the block; afterwards every part has its own mode again."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
