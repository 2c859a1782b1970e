"""Heads of several embeddings a picture, one a group.

"Towards Improved and Interpretable Deep Metric Learning via Attentive Grouping", sections 3 and 4, in the exact form of its code. N, no
grouping, is `LinearHead` with average pooling and without bias; M, G, C and A stand here. Each group's vector has length 1, and the whole
embedding is the groups one after the other, so that the cosine of two pictures is the mean of the cosines of their groups.

In every one of them the order of the places does not count, given the feature map (theorem 1 of the paper). With what is declared as a
gate held fixed (attention, masks, channel weights, the length of each group's vector) each is affine in the feature map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.gates import gate
from kinsight.models.pooling import MAP


class GroupingHead(nn.Module, ABC):
    """What the heads with groups share: `dim` split evenly, every group normalized on its own.

    Args:
        channels: C of the feature map.
        groups: P.
        dim: the numbers of all groups together; each group gets d = dim // groups of them.

    Attributes:
        parts: P.
        dim: D = P d, what really comes out: 510 for 512 numbers in 3 groups.
        reads: what of the map the head needs, one of `READS`; with `avg` it has `from_pooled`.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    kind: Kind = "groups"
    reads = MAP

    def __init__(self, channels: int, groups: int, dim: int) -> None:
        super().__init__()
        _check_count("groups", groups, 1)
        _check_count("dim", dim, groups, f"{groups} groups need a number each")
        self.channels = channels
        self.parts = groups
        self.part_dim = dim // groups
        self.dim = groups * self.part_dim

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> parts (N, P, d) of length 1, whole (N, P d), and what the head shows of itself as extras."""
        return self.normalized(*self.vectors(feature_map))

    def normalized(self, vectors: Tensor, extras: dict[str, Tensor]) -> Embedding:
        """The groups' vectors (N, P, d) -> the embedding, each of them of length 1."""
        # Lengths are taken in float32 at least: half precision would round them.
        vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
        parts = vectors / gate(vectors.norm(dim=2, keepdim=True).clamp_min(1e-12))
        return Embedding(parts, parts.flatten(1), extras, self.kind)

    @abstractmethod
    def vectors(self, feature_map: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(N, C, h, w) -> the groups' vectors before they are normalized, (N, P, d), and the extras."""


class MultiLinearHead(GroupingHead):
    """M: average pooling and one matrix, split into a block a group. C P d parameters."""

    reads = "avg"

    def __init__(self, channels: int, map_size: tuple[int, int], *, groups: int = 4, dim: int = 512) -> None:
        super().__init__(channels, groups, dim)
        self.linear = nn.Linear(channels, self.dim, bias=False)

    def vectors(self, feature_map: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `GroupingHead.vectors`."""
        return self._split(feature_map.mean(dim=(2, 3))), {}

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """Means over the places, (N, C) -> the same embedding."""
        return self.normalized(self._split(pooled), {})

    def _split(self, pooled: Tensor) -> Tensor:
        return self.linear(pooled).unflatten(1, (self.parts, self.part_dim))  # (N, P, d)


class GateHead(GroupingHead):
    """G: each group weighs every value of the map with a mask of its own, then pools; a matrix for all groups.

    The masks are linear in the map (no sigmoid, as in the code): h = conv(map) to C // reduction channels, mask_i =
    conv_i(h), f_i = W mean(map * mask_i). C C/r + C/r + P (C C/r + C) + C d parameters. Extras in eval mode: `response`
    (N, P, h, w), the weighed map of the channel that says most to each group (Figure 5).

    Args:
        reduction: r.
    """

    def __init__(
        self, channels: int, map_size: tuple[int, int], *, groups: int = 4, dim: int = 512, reduction: int = 8
    ) -> None:
        super().__init__(channels, groups, dim)
        narrow = _reduced(channels, reduction)
        self.reduce = nn.Conv2d(channels, narrow, 1)
        self.masks = nn.Conv2d(narrow, groups * channels, 1)  # the groups' convolutions side by side
        self.linear = nn.Linear(channels, self.part_dim, bias=False)

    def vectors(self, feature_map: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `GroupingHead.vectors`."""
        masks = gate(self.masks(self.reduce(feature_map)).unflatten(1, (self.parts, self.channels)))  # (N, P, C, h, w)
        weighed = feature_map.unsqueeze(1) * masks  # (N, P, C, h, w)
        pooled = weighed.mean(dim=(3, 4))  # (N, P, C)
        if self.training:
            return self.linear(pooled), {}  # (N, P, d)
        strongest = pooled.argmax(2)[:, :, None, None, None].expand(-1, -1, 1, *weighed.shape[3:])
        return self.linear(pooled), {"response": weighed.gather(2, strongest).squeeze(2)}  # (N, P, d), (N, P, h, w)


class ChannelHead(GroupingHead):
    """C: each group weighs the channels by squeeze and excitation of its own; a matrix and a bias for all groups.

    w_i = sigmoid(V_i relu(U_i mean(map))) with C // reduction numbers in between, f_i = W (w_i * mean(map)) + b.
    2 P C C/r + C d + d parameters. Extras in eval mode: `response` (N, P, h, w), as of G.

    Args:
        reduction: r; the code has 5 here, whatever the other heads have.
    """

    reads = "avg"  # the extras alone need the map

    def __init__(
        self, channels: int, map_size: tuple[int, int], *, groups: int = 4, dim: int = 512, reduction: int = 5
    ) -> None:
        super().__init__(channels, groups, dim)
        narrow = _reduced(channels, reduction)
        self.weights = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, narrow, bias=False),
                nn.ReLU(),
                nn.Linear(narrow, channels, bias=False),
                nn.Sigmoid(),
            )
            for _ in range(groups)
        )
        self.linear = nn.Linear(channels, self.part_dim)

    def vectors(self, feature_map: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `GroupingHead.vectors`."""
        weights, weighed = self._weighed(feature_map.mean(dim=(2, 3)))  # (N, P, C)
        if self.training:
            return self.linear(weighed), {}  # (N, P, d)
        strongest = weighed.argmax(2)  # (N, P)
        channels = feature_map.gather(1, strongest[:, :, None, None].expand(-1, -1, *feature_map.shape[2:]))
        response = channels * weights.gather(2, strongest.unsqueeze(2)).unsqueeze(3)  # (N, P, h, w)
        return self.linear(weighed), {"response": response}

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """Means over the places, (N, C) -> the same embedding, without extras."""
        return self.normalized(self.linear(self._weighed(pooled)[1]), {})

    def _weighed(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        weights = gate(torch.stack([weigh(pooled) for weigh in self.weights], dim=1))  # (N, P, C)
        # A channel's weight is the same at all places, so the mean may be taken before.
        return weights, weights * pooled.unsqueeze(1)


class AttentiveHead(GroupingHead):
    """A: each group has a learned query and looks where the map's keys answer it (equations 5 to 8).

    Keys (C // reduction channels) and values (d channels) are convolutions of the map, shared by all groups; A =
    softmax over the places of Q^T K, without scaling; f_i = A_i V^T. No bias anywhere. C C/r + C d + P C/r parameters,
    and d d more with `shared_linear`. Extras: `attention` (N, P, h, w), which adds up to 1 over the places.

    Args:
        reduction: r.
        shared_linear: A', one more matrix for all groups at the end.
    """

    def __init__(
        self,
        channels: int,
        map_size: tuple[int, int],
        *,
        groups: int = 4,
        dim: int = 512,
        reduction: int = 8,
        shared_linear: bool = False,
    ) -> None:
        super().__init__(channels, groups, dim)
        narrow = _reduced(channels, reduction)
        if not isinstance(shared_linear, bool):
            raise KinsightError(f"head option shared_linear is {shared_linear!r}; write true or false")
        self.keys = nn.Conv2d(channels, narrow, 1, bias=False)
        self.values = nn.Conv2d(channels, self.part_dim, 1, bias=False)
        self.queries = nn.Conv2d(narrow, groups, 1, bias=False)  # a 1x1 convolution to one channel is q^T K
        self.shared = nn.Linear(self.part_dim, self.part_dim, bias=False) if shared_linear else nn.Identity()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The queries train apart: the paper's code gives them a weight decay of their own."""
        return {"queries": list(self.queries.parameters())}

    def vectors(self, feature_map: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `GroupingHead.vectors`."""
        answers = self.queries(self.keys(feature_map))  # (N, P, h, w)
        attention = gate(answers.flatten(2).softmax(dim=2))  # (N, P, h w)
        values = self.values(feature_map).flatten(2)  # (N, d, h w)
        vectors = attention.to(values.dtype) @ values.transpose(1, 2)  # (N, P, d)
        return self.shared(vectors), {"attention": attention.view_as(answers)}


def _check_count(option: str, value: object, smallest: int, reason: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        because = f" ({reason})" if reason else ""
        raise KinsightError(f"head option {option} is {value!r}; write a whole number of at least {smallest}{because}")


def _reduced(channels: int, reduction: int) -> int:
    _check_count("reduction", reduction, 1)
    if reduction > channels:
        raise KinsightError(
            f"head option reduction is {reduction} but the feature map has {channels} channels; write at most {channels}"
        )
    return channels // reduction
