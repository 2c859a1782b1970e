"""Two networks that meet in one space: a picture of one view asks, pictures of the other answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedder import Embedder, Picture, settings_to_store
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.storage import digest_of, write_model
from kinsight.models.weights import misfit

SHARED = "shared"
STREAM = "stream"


class InStreams(NamedTuple):
    """A batch of B pictures that go through different streams.

    Attributes:
        values: of each stream its pictures (B_s, 3, H_s, W_s), or their feature maps (B_s, C_s, h_s, w_s), or what its head reads of
            these (B_s, C_s), in the order of the batch.
        stream: the number of the stream of every picture of the batch, (B,) int64.
    """

    values: tuple[Tensor, ...]
    stream: Tensor


class _Trunks(nn.ModuleDict):
    """A trunk a stream, by its name."""

    def forward(self, given: InStreams) -> InStreams:
        maps = [trunk(images) for trunk, images in zip(self.values(), given.values, strict=True)]
        return InStreams(tuple(maps), given.stream)


class _Heads(nn.ModuleDict):
    """A head a stream, by its name, or one under the name `shared`."""

    def of(self, name: str) -> nn.Module:
        """The head of a stream."""
        return self[SHARED if SHARED in self else name]

    def forward(self, given: InStreams) -> Embedding:
        """Feature maps -> the embeddings of the whole batch, whose extra `stream` (B,) says which stream each is of."""
        heads = [self[SHARED]] * len(given.values) if SHARED in self else list(self.values())
        wholes = [_embedded(head, features).whole for head, features in zip(heads, given.values, strict=True)]
        order = torch.argsort(given.stream, stable=True)  # of stream 0 first, each in the order of the batch
        whole = torch.cat(wholes)[torch.argsort(order)]  # (B, D)
        return Embedding.single(whole, **{STREAM: given.stream})


def _embedded(head: nn.Module, features: Tensor) -> Embedding:
    """Maps (B, C, h, w), or what the head's own pooling left of them (B, C)."""
    found: Embedding = head(features) if features.ndim == 4 else head.from_pooled(features)  # type: ignore[operator]
    return found


class TwoStreams(nn.Module):
    """An embedder a view, with one space for both. Made by `kinsight.models.build_model` or `load_model`.

    Args:
        streams: by the name of its view the embedder of each, the one that asks first.
        shared_head: whether the first one's head is the head of both.

    Attributes:
        names: of the streams; the first asks, the second answers.
        dim: D, of both.
        trunk: pictures in streams -> feature maps in streams (`InStreams`); parameters are named `street.network...`.
        head: feature maps in streams -> Embedding, of one part, with the extra `stream`.
        preprocessing: what each is fed with.

    Raises:
        KinsightError: there are not two, or they do not fit each other.
    """

    kind: Kind = "single"
    parts = groups = unit_groups = subspaces = 1
    subspace_shares = None

    def __init__(self, streams: Mapping[str, Embedder], *, shared_head: bool = False) -> None:
        super().__init__()
        check_names(list(streams))
        self.names = tuple(streams)
        first, second = streams.values()
        _check_heads(self.names, first, second, shared=shared_head)
        self.shared_head = shared_head
        self.trunk = _Trunks({name: each.trunk for name, each in streams.items()})
        self.head = _Heads({SHARED: first.head} if shared_head else {name: each.head for name, each in streams.items()})
        self.preprocessing = StreamsPreprocessing({name: each.preprocessing for name, each in streams.items()})
        self.settings_of = {name: each.settings for name, each in streams.items()}
        self.dim = first.dim
        self.part_dim = self.dim
        self.train(first.training)

    @property
    def streams(self) -> dict[str, Embedder]:
        """Every stream as a model of its own, by name; they share their weights with this one."""
        return {name: self.stream(name) for name in self.names}

    def stream(self, name: str) -> Embedder:
        """One stream as a model of its own; it shares its weights with this one.

        Raises:
            KinsightError: there is none of that name.
        """
        if name not in self.names:
            raise KinsightError(f"this model has no stream {name!r}; its streams are {' and '.join(self.names)}")
        made = Embedder(self.trunk[name], self.head.of(name), self.preprocessing[name], self.settings_of[name])  # type: ignore[arg-type]
        return made if self.training else made.eval()

    def subspace(self, number: int) -> Embedder:
        """None of two streams has any.

        Raises:
            KinsightError: always.
        """
        raise KinsightError("this model has no subspaces; give one that was trained with the method division")

    @property
    def device(self) -> torch.device:
        """Where the model stands."""
        return next(self.parameters()).device

    @property
    def learned_head(self) -> nn.Module:
        """The heads."""
        return self.head

    def forward(self, given: InStreams) -> Embedding:
        """Preprocessed pictures, each in its stream -> the embeddings of the batch, not normalized."""
        return self.head(self.trunk(given))

    def embed_features(self, features: InStreams, reads: str = "") -> Embedding:
        """What the trunks gave for the pictures of a batch, maps or what each head reads of them -> the embeddings of the batch.

        Args:
            features: in the order of the streams.
            reads: told by the features themselves.
        """
        found: Embedding = self.head(features)
        return found

    def encode(
        self, pictures: Picture | Sequence[Picture] | Tensor, stream: str | None = None, **options: Any
    ) -> np.ndarray:
        """Embed pictures of one view; see `Embedder.encode`, whose options these are.

        Args:
            stream: of which view the pictures are.

        Returns:
            (N, D) float32.

        Raises:
            KinsightError: no stream is named, or see `Embedder.encode`.
        """
        if stream is None:
            raise KinsightError(
                f"this model has the streams {' and '.join(self.names)}; say of which view the pictures are with stream={self.names[0]!r}"
            )
        return self.stream(stream).encode(pictures, **options)

    def terms(self) -> dict[str, nn.Module]:
        """New terms of the objective: none."""
        return {}

    def digest(self) -> str:
        """SHA-256 of all that decides an embedding: weights, architecture, preprocessing of both; saving keeps it."""
        architecture = {name: each.architecture() for name, each in self.streams.items()}
        return digest_of({"streams": architecture, "shared_head": self.shared_head}, self.state_dict())

    def save(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, whole or not at all.

        Raises:
            KinsightError: the folder cannot be written, or holds something else than a model.
        """
        settings = {name: settings_to_store(each) for name, each in self.settings_of.items()}
        config = {
            "settings": {"streams": settings, "shared_head": self.shared_head},
            "preprocessing": self.preprocessing.to_dict(),
            "dim": self.dim,
            "digest": self.digest(),
        }
        write_model(folder, config, self.state_dict())


class StreamsPreprocessing(dict[str, Any]):
    """What each stream is fed with, a `Preprocessing` by the name of its view."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON and YAML can hold."""
        return {name: each.to_dict() for name, each in self.items()}


def check_names(names: Sequence[str]) -> None:
    """Refuse names that views cannot have.

    Raises:
        KinsightError: there are not two, or one is no plain word.
    """
    if len(names) != 2:
        raise KinsightError(
            f"model.streams names {len(names)} streams ({', '.join(map(str, names)) or 'none'}); name two, as the column view of the "
            "table does, the one that searches first"
        )
    for name in names:
        # Names of modules must not be those of what every module has.
        if not re.fullmatch(r"[A-Za-z][\w-]*", str(name)) or hasattr(_Heads, str(name)) or name in (SHARED, "training"):
            raise KinsightError(
                f"model.streams: {str(name)[:60]!r} cannot be the name of a stream; write a word such as street or aerial"
            )


def _check_heads(names: tuple[str, ...], first: Embedder, second: Embedder, *, shared: bool) -> None:
    one, other = names
    for name, each in zip(names, (first, second), strict=True):
        fitted: int = getattr(each.learned_head, "pictures_to_fit", 0)
        if each.kind != "single" or each.terms() or fitted:
            raise KinsightError(
                f"the head {each.settings.head.get('name')!r} of the stream {name} is made for one stream: it has several parts, terms of "
                "its own, or is fitted to pictures; choose linear, without init within-class"
            )
    if shared and first.trunk.channels != second.trunk.channels:
        raise KinsightError(
            f"a shared head needs trunks of equally many channels, and that of {one} gives {first.trunk.channels}, that of {other} "
            f"{second.trunk.channels}; choose equal trunks, or write model.shared_head false"
        )
    if shared and (problem := misfit(first.head.state_dict(), second.head.state_dict())):
        raise KinsightError(
            f"the streams {one} and {other} cannot share a head ({problem}); choose another pooling, or write model.shared_head false"
        )
    if first.dim != second.dim:
        raise KinsightError(
            f"the stream {one} gives {first.dim} numbers a picture and {other} {second.dim}; give both heads the same dim"
        )
    if first.settings.normalize != second.settings.normalize:
        raise KinsightError(f"normalize differs between the streams {one} and {other}; write it once, for both")
