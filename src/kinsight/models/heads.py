"""Heads: from a feature map to an embedding. A new head is one class and one line in `HEADS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.coordinated import CoordinatedHead
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.grouping import AttentiveHead, ChannelHead, GateHead, MultiLinearHead
from kinsight.models.modes import evaluating
from kinsight.models.pooling import MAP, READS, VECTORS, make_pooling, pooled_channels
from kinsight.models.relational import RelationalHead
from kinsight.models.subspaces import SubspacesHead
from kinsight.models.whitening import within_class_whitening
from kinsight.registry import Named, Registry, reason, shown

WITHIN_CLASS = "within-class"
INITS = ("default", "orthogonal", "kaiming", WITHIN_CLASS)


class LinearHead(nn.Module):
    """Pooling, then linear layers: what most of metric learning uses.

    pooling -> dropout -> [linear -> batch norm? -> ReLU?] for each width in `hidden` -> linear to `dim` -> batch norm?

    In eval mode, with the signs of the ReLUs and the arg-max of a max pooling held fixed, the head is affine in the
    feature map (with every pooling but gem), so that its embedding is an exact sum over the places.

    Args:
        channels: C of the feature map.
        map_size: height and width of the feature map.
        dim: D, the length of the embedding; None leaves out the last linear layer, so that the pooled vector (or the
            last hidden layer) is the embedding.
        pooling: avg, max, avg+max, gem or flatten.
        bias: whether what the head adds last is learned: the bias of the last linear layer and the shift of the last
            batch norm (held at 0 without it, as in the BNNeck of re-identification).
        hidden: widths of the layers in between, usually none.
        batch_norm: batch norm after each linear layer; with `dim` None after the pooling, which is the BNNeck.
        relu: ReLU in the hidden layers; never after the last one.
        dropout: probability with which pooled values are dropped in training.
        init: default (PyTorch's), orthogonal or kaiming (normal, fan out) for the weights of the linear layers; within-class, with `dim`
            None: a linear layer as long as the pooled vector, which it hands on until a training fits it to its pictures
            (`within_class_whitening`).

    Attributes:
        dim: D.
        reads: what of the map it needs, one of `READS`.
        pictures_to_fit: how many pictures the head must be fitted to before the first step; 0: it is not.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    kind: Kind = "single"
    parts = 1

    def __init__(
        self,
        channels: int,
        map_size: tuple[int, int],
        *,
        dim: int | None = 512,
        pooling: str = "avg",
        bias: bool = True,
        hidden: Sequence[int] = (),
        batch_norm: bool = False,
        relu: bool = False,
        dropout: float = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        _check(dim, hidden, dropout, init, {"bias": bias, "batch_norm": batch_norm, "relu": relu})
        if init == WITHIN_CLASS and (dim is not None or hidden or batch_norm or not bias):
            raise KinsightError(
                "head option init within-class goes with dim null, bias true and no hidden layers or batch norm; write those"
            )
        self.pictures_to_fit = 1 if init == WITHIN_CLASS else 0
        self.pooling = make_pooling(pooling, map_size=map_size)
        self.reads = pooling if pooling in VECTORS else MAP
        self.dropout = nn.Dropout(dropout)
        width = pooled_channels(pooling, channels, map_size)
        layers: list[nn.Module] = []
        for wider in hidden:
            layers.append(_linear(width, wider, True, init))
            layers += [nn.BatchNorm1d(wider)] * batch_norm + [nn.ReLU()] * relu
            width = wider
        if init == WITHIN_CLASS:
            layers.append(_identity(width))
        if dim is not None:
            layers.append(_linear(width, dim, bias, init))
            width = dim
        # With hidden layers and no last linear layer the hidden batch norm is the last one already.
        if batch_norm and (dim is not None or not hidden):
            layers.append(_last_norm(width, bias))
        self.layers = nn.Sequential(*layers)
        self.dim = width

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> an embedding of one part, whole (N, D)."""
        return self.from_pooled(self.pooling(feature_map))

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """What the pooling left, (N, C') -> the same embedding."""
        return Embedding.single(self.layers(self.dropout(pooled)))  # (N, D)

    def fit(self, pooled: np.ndarray, labels: np.ndarray, seed: int) -> None:
        """Fit the linear layer of `init` within-class to the pooled vectors (N, C') of the training pictures and their classes (N,)."""
        self._set_last(*within_class_whitening(torch.from_numpy(pooled), torch.from_numpy(labels)))

    @property
    def fitted(self) -> bool:
        """Whether it is fitted."""
        layer: nn.Linear = self.layers[-1]  # type: ignore[assignment]
        return self.pictures_to_fit > 0 and not torch.equal(layer.weight.detach().cpu(), torch.eye(self.dim))

    def unfit(self) -> None:
        """Hand on what is pooled, as before."""
        self._set_last(torch.eye(self.dim), torch.zeros(self.dim))

    def _set_last(self, weight: Tensor, bias: Tensor) -> None:
        layer: nn.Linear = self.layers[-1]  # type: ignore[assignment]
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


_EMBEDDING_HEADS = Registry(
    "head",
    {
        "linear": Named(LinearHead),
        "multi-linear": Named(MultiLinearHead),
        "gate": Named(GateHead),
        "channel": Named(ChannelHead),
        "attentive": Named(AttentiveHead),
        "coordinated": Named(CoordinatedHead),
        "relational": Named(RelationalHead),
    },
    call=("feature_map",),
    hands=("channels", "map_size"),
    always=True,
    default="linear",
    example="mine.Head",
)
HEADS = Registry(
    "head",
    {
        **_EMBEDDING_HEADS,
        "subspaces": Named(SubspacesHead, "a head; the method division puts it around the one that is chosen"),
    },
    call=("feature_map",),
    hands=("channels", "map_size"),
    always=True,
    parts={"head": _EMBEDDING_HEADS},
    default="linear",
    example="mine.Head",
)


def make_head(choice: Mapping[str, Any], channels: int, map_size: tuple[int, int]) -> nn.Module:
    """Build a head from its name and options.

    Args:
        choice: `name` (one of `HEADS` or a class path; linear when left out) and the options of that head.
        channels: C of the feature map.
        map_size: height and width of the feature map.

    Returns:
        A module (N, C, h, w) -> Embedding with an attribute `dim`.

    Raises:
        KinsightError: no such head, no such option, a value that is not allowed, or a class that is no head.
    """
    head: nn.Module = HEADS.build(choice, {"channels": channels, "map_size": map_size})
    inmost = innermost(choice).get("name", HEADS.default)
    if inmost not in HEADS:
        _try_out(head, inmost, channels, map_size)
    return head


def innermost(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """The head inside of all that is put around it."""
    inside = choice.get("head")
    return innermost(inside) if isinstance(inside, Mapping) else choice


def _try_out(head: nn.Module, name: str, channels: int, map_size: tuple[int, int]) -> None:
    """Refuse a class of the user's own that is no head, before anything trains."""
    dim: Any = getattr(head, "dim", None)
    if not _is_width(dim):
        raise KinsightError(
            f"the head {name} says in its attribute dim {dim!r}; let it say D, the length of its embedding"
        )
    try:
        with evaluating(head), torch.no_grad():
            answer = head(torch.zeros(2, channels, *map_size))
    except Exception as problem:  # whatever somebody's class may raise
        raise KinsightError(
            f"the head {name} fails on a map of 2 x {channels} x {map_size[0]} x {map_size[1]} ({reason(problem)}); correct the class"
        ) from problem
    reads = getattr(head, "reads", MAP)
    if reads not in READS or (reads != MAP and not hasattr(head, "from_pooled")):
        raise KinsightError(
            f"the head {name} says in its attribute reads {shown(reads)}; let it say one of {', '.join(READS)}, and have from_pooled "
            f"where that is not {MAP}"
        )
    if not isinstance(answer, Embedding) or tuple(answer.whole.shape) != (2, dim):
        what = f"an embedding {tuple(answer.whole.shape)}" if isinstance(answer, Embedding) else type(answer).__name__
        raise KinsightError(
            f"the head {name} gives {what} for 2 pictures; let it return kinsight.models.Embedding.single(vectors) with vectors "
            f"(2, {dim}), or an Embedding of several parts"
        )


def _linear(before: int, after: int, bias: bool, init: str) -> nn.Linear:
    layer = nn.Linear(before, after, bias=bias)
    if init == "orthogonal":
        nn.init.orthogonal_(layer.weight)
    elif init == "kaiming":
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    if init != "default" and bias:
        nn.init.zeros_(layer.bias)
    return layer


def _identity(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _last_norm(width: int, bias: bool) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(width)
    norm.bias.requires_grad_(bias)
    return norm


def _check(dim: object, hidden: object, dropout: object, init: str, switches: Mapping[str, object]) -> None:
    if not (dim is None or _is_width(dim)):
        raise KinsightError(
            f"head option dim is {shown(dim)}; write a whole number above 0, or null for the pooled feature itself"
        )
    if isinstance(hidden, str) or not isinstance(hidden, Sequence) or not all(_is_width(width) for width in hidden):
        raise KinsightError(
            f"head option hidden is {shown(hidden)}; write a list of widths such as [1024], or [] for none"
        )
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise KinsightError(f"head option dropout is {dropout!r}; write a probability from 0 up to, not including, 1")
    if init not in INITS:
        raise KinsightError(f"head option init is {shown(init)}; write one of {', '.join(INITS)}")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise KinsightError(f"head option {name} is {value!r}; write true or false")


def _is_width(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
