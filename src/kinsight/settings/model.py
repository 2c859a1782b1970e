"""What a recipe may say about the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelSettings:
    """Trunk, head, and what the trunk is fed with."""

    trunk: str = "resnet50"
    """Network of timm, with or without tag: resnet50, resnet50.a1_in1k; or a class path of your own, mine.Trunk."""
    pretrained: bool = False
    """Start from timm's weights of that name, fetched from the Hugging Face hub unless they are here already."""
    weights: str | None = None
    """Start from a local .safetensors file of the same network; or from a run or model folder: its trunk, and its head if that fits."""
    trunk_options: dict[str, Any] = field(default_factory=dict)
    """Passed on to timm.create_model (or your class), for example pad_type: same, drop_path_rate: 0.1."""
    frozen_norm: str = "statistics"
    """Batch norm of the trunk in training: none trains it, statistics keeps its statistics, affine keeps all of it."""
    head: dict[str, Any] = field(default_factory=lambda: {"name": "linear", "dim": 512})
    """Head by name (or a class path) with its options; linear: dim, pooling, bias, hidden, batch_norm, relu, dropout, init."""
    size: int | list[int] = 224
    """Height and width of the network's input in pixels; one number for both, or two."""
    resize: int | None = 256
    """Shorter side before the centre crop at test time; null: squash the whole picture to size."""
    mean: list[float] | None = None
    """Mean per channel, in the network's channel order and scale; null: the one the trunk was pretrained with."""
    std: list[float] | None = None
    """Standard deviation per channel, likewise."""
    bgr: bool = False
    """Feed blue, green, red instead of red, green, blue."""
    scale: float = 1.0
    """Brightest value before the mean is subtracted: 1 or 255."""
    normalize: bool = True
    """Normalize embeddings to length 1, as for cosine similarity."""
    streams: dict[str, dict[str, Any]] | None = None
    """For pairs of views, two networks that meet in one space: what is each one's own, `{street: {size: [64, 256]}, aerial: {}}`."""
    shared_head: bool = False
    """Of streams: one head for all of them, instead of one each."""
