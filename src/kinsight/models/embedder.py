"""A trunk, a head and what they are fed with: pictures in, embeddings out; saved and loaded as one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.encoding import Encoded, encode_batches, tensor_batches
from kinsight.models.heads import HEADS, make_head
from kinsight.models.memory import Bounded
from kinsight.models.network_input import preprocessing_of
from kinsight.models.pooling import MAP
from kinsight.models.storage import digest_of, read_model, restored, write_model
from kinsight.models.subspaces import SubspacesHead
from kinsight.models.trunk import Trunk, seeded, source_of
from kinsight.pictures import PictureBatch, PictureSet, Preprocessing, load
from kinsight.pictures.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from kinsight.registry import fits, in_words, shown
from kinsight.settings.model import ModelSettings
from kinsight.typed import type_hints

Picture = str | Path | Image.Image | np.ndarray
_NOT_STORED = {"pretrained", "weights", "streams", "shared_head"}


class Embedder(nn.Module):
    """Pictures to embeddings. Made by `build_embedder` or `load_embedder`.

    Attributes:
        trunk: (N, 3, H, W) -> feature map (N, C, h, w).
        head: feature map -> Embedding.
        preprocessing: what the trunk is fed with.
        settings: what it was built from, with every default filled in.
        dim: D.
        kind: what the head's parts are (`Kind`); a head that does not say is `single`.
        parts: P, how many of them.
        part_dim: d, the length of each.
        reads: what of the feature map the head needs, one of `kinsight.models.pooling.READS`; a head that does not say needs all of it.
    """

    def __init__(self, trunk: Trunk, head: nn.Module, preprocessing: Preprocessing, settings: ModelSettings) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.preprocessing = preprocessing
        self.settings = settings
        self.dim: int = head.dim  # type: ignore[assignment]
        self.kind: Kind = getattr(head, "kind", "single")
        self.parts = int(getattr(head, "parts", 1))
        self.part_dim = int(getattr(head, "part_dim", self.dim // self.parts))
        self.reads = str(getattr(head, "reads", MAP))

    @property
    def device(self) -> torch.device:
        """Where the model stands."""
        return next(self.parameters()).device

    def forward(self, images: Tensor) -> Embedding:
        """(N, 3, H, W), preprocessed -> the embeddings of N pictures, not normalized."""
        return self.head(self.trunk(images))

    def embed_features(self, features: Tensor, reads: str = MAP) -> Embedding:
        """What the trunk gave for N pictures -> their embeddings, not normalized.

        Args:
            features: maps (N, C, h, w), or what the pooling `reads` left of them, (N, C).
            reads: map, or the head's own `reads`.
        """
        return self.head(features) if reads == MAP else self.head.from_pooled(features)  # type: ignore[operator]

    def encode(
        self,
        pictures: Picture | Sequence[Picture] | Tensor,
        *,
        batch_size: int = 64,
        workers: int = 0,
        on_unreadable: Literal["refuse", "skip"] = "refuse",
        normalize: bool | None = None,
        progress: bool = False,
        precision: torch.dtype | None = None,
    ) -> np.ndarray:
        """Embed pictures in eval mode, without gradients; the model's modes are put back afterwards.

        Args:
            pictures: paths (they may lead into a zip), PIL pictures or uint8 arrays (H, W, 3) or (H, W); one of them
                counts as a list of one. Or a tensor (N, 3, H, W) that is preprocessed already.
            batch_size: pictures at a time; it does not change the result beyond rounding.
            workers: processes that decode; 0 decodes in this one.
            on_unreadable: "refuse" stops at the first picture that cannot be read; "skip" leaves it out, so that the
                result has fewer rows (`encode_set` says which).
            normalize: whether rows get length 1; None follows the model's own setting `normalize`.
            progress: show a bar.
            precision: arithmetic of the network, such as torch.bfloat16; None leaves it in that of its weights.

        Returns:
            (N, D) float32, one row a readable picture, in order.

        Raises:
            KinsightError: a picture cannot be read, or an embedding is not finite.
        """
        if isinstance(pictures, Tensor):
            batches = tensor_batches(pictures, batch_size)
            return self._encode(batches, len(pictures), normalize, progress, precision).vectors
        prepared = PictureSet(
            [pictures] if _is_one(pictures) else list(pictures),  # type: ignore[list-item, arg-type]
            self.preprocessing.transform(),
            shorter_side=self.preprocessing.shorter_side,
        )
        return self.encode_set(
            prepared,
            batch_size=batch_size,
            workers=workers,
            on_unreadable=on_unreadable,
            normalize=normalize,
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
        normalize: bool | None = None,
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
        return self._encode(batches, len(pictures), normalize, progress, precision)

    def _encode(
        self,
        batches: Iterable[PictureBatch],
        count: int,
        normalize: bool | None,
        progress: bool,
        precision: torch.dtype | None,
    ) -> Encoded:
        return encode_batches(
            self,
            batches,
            count=count,
            dim=self.dim,
            device=self.device,
            normalize=self.settings.normalize if normalize is None else normalize,
            progress=progress,
            precision=precision,
        )

    @property
    def groups(self) -> int:
        """P of an embedding that is P vectors one after the other, as of a head with groups or with relations; else 1."""
        return self.parts if self.kind in ("groups", "nodes") else 1

    @property
    def unit_groups(self) -> int:
        """P where these vectors have length 1, so that the cosine of two pictures is the mean of theirs; else 1."""
        return self.parts if self.kind == "groups" else 1

    @property
    def subspaces(self) -> int:
        """How many subspaces a division of the data has given this model; else 1."""
        return self.head.subspaces if isinstance(self.head, SubspacesHead) else 1

    @property
    def subspace_shares(self) -> Tensor | None:
        """What the numbers of an embedding are multiplied with to see each subspace, (K, D); None for a model without subspaces."""
        return self.head.shares if isinstance(self.head, SubspacesHead) else None

    def subspace(self, number: int) -> Embedder:
        """This model with one subspace alone; it shares its weights.

        Raises:
            KinsightError: the model has no subspaces, or none of this number.
        """
        if not isinstance(self.head, SubspacesHead):
            raise KinsightError("this model has no subspaces; give one that was trained with the method division")
        made = Embedder(self.trunk, self.head.alone(number), self.preprocessing, self.settings)
        return made if self.training else made.eval()

    @property
    def learned_head(self) -> nn.Module:
        """The head that learns, without the masks of subspaces around it."""
        return self.head.head if isinstance(self.head, SubspacesHead) else self.head

    def terms(self) -> dict[str, nn.Module]:
        """New terms of the objective that the head brings, by name (`head.terms()`, for example reconstruction)."""
        head = self.learned_head
        return dict(head.terms()) if hasattr(head, "terms") else {}  # type: ignore[operator]

    def digest(self) -> str:
        """SHA-256 of all that decides an embedding: weights, architecture, preprocessing; saving keeps it."""
        return digest_of(self.architecture(), self.state_dict())

    def trunk_digest(self) -> str:
        """SHA-256 of all that decides a feature map: the trunk's weights and architecture (an own one's code), the preprocessing."""
        names = {"trunk": self.settings.trunk, "trunk_options": self.settings.trunk_options}
        architecture = {**names, "preprocessing": self.preprocessing.to_dict(), "source": source_of(self.trunk)}
        return digest_of(architecture, self.trunk.state_dict())

    def save(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, whole or not at all.

        Raises:
            KinsightError: the folder cannot be written, or holds something else than a model.
        """
        config = {
            "settings": settings_to_store(self.settings),
            "preprocessing": self.preprocessing.to_dict(),
            "dim": self.dim,
            "digest": self.digest(),
        }
        write_model(folder, config, self.state_dict())

    def architecture(self) -> dict[str, Any]:
        """What beside the tensors decides an embedding, as plain values."""
        return {**_architecture(self.settings), "preprocessing": self.preprocessing.to_dict()}


def build_embedder(settings: ModelSettings, *, seed: int = 0) -> Embedder:
    """Build a model from its settings.

    Args:
        settings: trunk, head and preprocessing.
        seed: seed of all initial values; nothing else decides them, and torch's generators are left as they were.

    Raises:
        KinsightError: a setting that is not allowed, or weights that cannot be had or do not fit.
    """
    settings = replace(settings, head=HEADS.complete(settings.head, importing=True))
    try:
        json.dumps(_architecture(settings))
    except TypeError as problem:
        raise KinsightError(
            f"trunk_options and head must hold plain values, as YAML does ({problem}); write them so"
        ) from None
    size = preprocessing_of(settings, IMAGENET_MEAN, IMAGENET_STD).height_width
    with seeded(seed), Bounded.by_memory():
        trunk = Trunk(
            settings.trunk,
            pretrained=settings.pretrained,
            weights=settings.weights,
            options=settings.trunk_options,
            frozen_norm=settings.frozen_norm,
            size=size,
        )
        head = make_head(settings.head, trunk.channels, trunk.map_size)
    preprocessing = preprocessing_of(settings, trunk.default_mean, trunk.default_std)
    return Embedder(trunk, head, preprocessing, replace(settings, mean=[*preprocessing.mean], std=[*preprocessing.std]))


def load_embedder(folder: str | Path, device: str | torch.device = "cpu") -> Embedder:
    """Read a model that `Embedder.save` wrote. Nothing is unpickled and nothing fetched; what is built is bounded by the tensors.

    Args:
        folder: the model folder.
        device: where the model shall stand.

    Returns:
        The model in eval mode.

    Raises:
        KinsightError: a file is missing or damaged, its parts are not of one model, it needs a class that may not be imported here, or
            there is no such device or no room there.
    """
    return embedder_of(*read_model(folder), folder, device)


def embedder_of(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], folder: str | Path, device: str | torch.device
) -> Embedder:
    """The model of what `read_model` gave for a folder; see `load_embedder`."""
    settings = stored_settings(config["settings"], folder)
    with Bounded.by_tensors(tensors):
        built = build_embedder(settings)
    embedder = Embedder(built.trunk, built.head, Preprocessing.from_dict(config["preprocessing"]), built.settings)
    return restored(embedder, config, tensors, folder, device)


def settings_to_store(settings: ModelSettings) -> dict[str, Any]:
    """The settings of one stream as they stand in a model folder: where the values came from once is not among them, they are there."""
    return {name: value for name, value in asdict(settings).items() if name not in _NOT_STORED}


def stored_settings(stored: Mapping[str, Any], folder: str | Path) -> ModelSettings:
    """The settings of one stream that `settings_to_store` gave.

    Raises:
        KinsightError: they are not what a model has.
    """
    if "streams" in stored:
        raise KinsightError(
            f"{folder} holds a model of two streams, and here one of a single stream is needed; give one, or use "
            "kinsight.load(folder).stream(name)"
        )
    kinds = type_hints(ModelSettings)
    names = set(kinds) - _NOT_STORED
    if set(stored) != names:
        differing = ", ".join(sorted(set(stored) ^ names))
        raise KinsightError(f"config.json in {folder} has too few or unknown settings ({differing}); restore the file")
    for name, value in stored.items():
        if not fits(value, kinds[name]):
            raise KinsightError(
                f"{name} in config.json of {folder} is {shown(value)}, not {in_words(kinds[name])}; restore the file"
            )
    return ModelSettings(**stored)


def _architecture(settings: ModelSettings) -> dict[str, Any]:
    """What of the settings decides an embedding, apart from the preprocessing."""
    return {
        "trunk": settings.trunk,
        "trunk_options": settings.trunk_options,
        "head": settings.head,
        "normalize": settings.normalize,
    }


def _is_one(pictures: object) -> bool:
    # An array of four axes is a stack of pictures.
    return isinstance(pictures, str | Path | Image.Image) or (isinstance(pictures, np.ndarray) and pictures.ndim < 4)
