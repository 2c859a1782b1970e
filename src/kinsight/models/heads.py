"""Heads: from a feature map to an embedding. A new head is one class and one line in `HEADS`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.grouping import AttentiveHead, ChannelHead, GateHead, MultiLinearHead
from kinsight.models.pooling import make_pooling, pooled_channels

INITS = ("default", "orthogonal", "kaiming")


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
        init: default (PyTorch's), orthogonal or kaiming (normal, fan out) for the weights of the linear layers.

    Attributes:
        dim: D.

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
        self.pooling = make_pooling(pooling, map_size=map_size)
        self.dropout = nn.Dropout(dropout)
        width = pooled_channels(pooling, channels, map_size)
        layers: list[nn.Module] = []
        for wider in hidden:
            layers.append(_linear(width, wider, True, init))
            layers += [nn.BatchNorm1d(wider)] * batch_norm + [nn.ReLU()] * relu
            width = wider
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
        pooled = self.dropout(self.pooling(feature_map))  # (N, C')
        return Embedding.single(self.layers(pooled))  # (N, D)


HEADS: dict[str, type[nn.Module]] = {
    "linear": LinearHead,
    "multi-linear": MultiLinearHead,
    "gate": GateHead,
    "channel": ChannelHead,
    "attentive": AttentiveHead,
}


def make_head(choice: Mapping[str, Any], channels: int, map_size: tuple[int, int]) -> nn.Module:
    """Build a head from its name and options.

    Args:
        choice: `name` (one of `HEADS`; linear when left out) and the options of that head.
        channels: C of the feature map.
        map_size: height and width of the feature map.

    Returns:
        A module (N, C, h, w) -> Embedding with an attribute `dim`.

    Raises:
        KinsightError: no such head, no such option, or a value that is not allowed.
    """
    options = complete_choice(choice)
    return HEADS[options.pop("name")](channels, map_size, **options)


def complete_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The choice with every option of that head, defaults included: a stored model must not change when a default does.

    Raises:
        KinsightError: no such head, or no such option.
    """
    given = dict(choice)
    name = given.pop("name", "linear")
    if name not in HEADS:
        raise KinsightError(f"head {name!r} is not known; write one of {', '.join(HEADS)}")
    by_name = [each for each in inspect.signature(HEADS[name]).parameters.values() if each.kind is each.KEYWORD_ONLY]
    defaults = {option.name: list(option.default) if option.default == () else option.default for option in by_name}
    for option in given:
        if option not in defaults:
            raise KinsightError(f"head {name} has no option {option!r}; its options are {', '.join(defaults)}")
    return {"name": name, **defaults, **given}


def _linear(before: int, after: int, bias: bool, init: str) -> nn.Linear:
    layer = nn.Linear(before, after, bias=bias)
    if init == "orthogonal":
        nn.init.orthogonal_(layer.weight)
    elif init == "kaiming":
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    if init != "default" and bias:
        nn.init.zeros_(layer.bias)
    return layer


def _last_norm(width: int, bias: bool) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(width)
    norm.bias.requires_grad_(bias)
    return norm


def _check(dim: object, hidden: object, dropout: object, init: str, switches: Mapping[str, object]) -> None:
    if not (dim is None or _is_width(dim)):
        raise KinsightError(
            f"head option dim is {dim!r}; write a whole number above 0, or null for the pooled feature itself"
        )
    if isinstance(hidden, str) or not isinstance(hidden, Sequence) or not all(_is_width(width) for width in hidden):
        raise KinsightError(f"head option hidden is {hidden!r}; write a list of widths such as [1024], or [] for none")
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise KinsightError(f"head option dropout is {dropout!r}; write a probability from 0 up to, not including, 1")
    if init not in INITS:
        raise KinsightError(f"head option init is {init!r}; write one of {', '.join(INITS)}")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise KinsightError(f"head option {name} is {value!r}; write true or false")


def _is_width(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
