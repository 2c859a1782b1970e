"""Heads that Kinsight did not make, on feature maps of 6 channels and 3 x 4 places."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.models.gates import gate

CHANNELS, GRID = 6, (3, 4)


def linear_pieces(name: str, dim: int = 5) -> nn.Module:
    """Heads that are affine once the signs of their activations and the arg-max of their maxima are known."""
    places = GRID[0] * GRID[1]
    heads = {
        "faces": [  # batch norm, dropout and a linear layer that knows every place
            nn.BatchNorm2d(CHANNELS), nn.Dropout(0.4), nn.Flatten(), nn.Linear(CHANNELS * places, dim),
            nn.BatchNorm1d(dim),
        ],
        "leaky": [
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 9), nn.LeakyReLU(0.1, inplace=True),
            nn.Linear(9, dim),
        ],
        "prelu": [
            nn.Conv2d(CHANNELS, 9, 1), nn.PReLU(9), nn.Conv2d(9, 9, GRID, groups=9, bias=False), nn.BatchNorm2d(9),
            nn.Flatten(), nn.Linear(9, dim, bias=False),
        ],
        "maximum": [
            nn.Conv2d(CHANNELS, 9, 3, padding=1), nn.BatchNorm2d(9), nn.ReLU(inplace=True), nn.AdaptiveMaxPool2d(1),
            nn.Flatten(), nn.Dropout(), nn.Linear(9, dim),
        ],
        "in place": [nn.ReLU6(inplace=True), nn.Conv2d(CHANNELS, dim, 2), nn.AvgPool2d(2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    }  # fmt: skip
    return nn.Sequential(*heads[name])


LINEAR_PIECES = ("faces", "leaky", "prelu", "maximum", "in place")


class Gated(nn.Module):
    """A head that is affine once its gates are known; it may declare them or not.

    Kinds: norm (a layer norm on the average), gelu, attention (a softmax over the places), channels (sigmoids, as in
    squeeze and excitation).
    """

    def __init__(self, kind: str, *, declared: bool, dim: int = 5) -> None:
        super().__init__()
        self.kind = kind
        self.declared = declared
        self.first = nn.Linear(CHANNELS, CHANNELS)
        self.second = nn.Linear(CHANNELS, dim)
        self.score = nn.Linear(CHANNELS, 1 if kind == "attention" else CHANNELS)

    def gates(self, feature_map: Tensor) -> Tensor:
        """What multiplies, computed from the map (N, C, h, w)."""
        places = feature_map.flatten(2).transpose(1, 2)  # (N, L, C)
        if self.kind == "norm":
            pooled = self.first(places.mean(1))
            return (pooled.var(1, keepdim=True, correction=0) + 1e-5).rsqrt()
        if self.kind == "gelu":
            return (1 + torch.erf(self.first(places) / 2**0.5)) / 2
        if self.kind == "attention":
            return self.score(places).softmax(1)
        return torch.sigmoid(self.score(2 * self.first(places.mean(1))))  # (N, C)

    def answer(self, feature_map: Tensor, gates: Tensor) -> Tensor:
        """The embedding with these gates, (N, D)."""
        places = feature_map.flatten(2).transpose(1, 2)
        if self.kind == "norm":
            pooled = self.first(places.mean(1))
            return self.second((pooled - pooled.mean(1, keepdim=True)) * gates)
        if self.kind == "gelu":
            return self.second((self.first(places) * gates).mean(1))
        if self.kind == "attention":
            return self.second((gates * places).sum(1))
        return self.second(gates * places.mean(1))

    def forward(self, feature_map: Tensor) -> Tensor:
        gates = self.gates(feature_map)
        return self.answer(feature_map, gate(gates) if self.declared else gates)


class Torch(nn.Module):
    """The same heads written with PyTorch's own functions, which "standard" gates know."""

    def __init__(self, like: Gated) -> None:
        super().__init__()
        self.like = like

    def forward(self, feature_map: Tensor) -> Tensor:
        like, places = self.like, feature_map.flatten(2).transpose(1, 2)
        if like.kind == "norm":
            return like.second(functional.layer_norm(like.first(places.mean(1)), (CHANNELS,)))
        if like.kind == "gelu":
            return like.second(functional.gelu(like.first(places)).mean(1))
        if like.kind == "attention":
            return like.second((torch.softmax(like.score(places), 1) * places).sum(1))
        return like.second(torch.sigmoid(like.score(2 * like.first(places.mean(1)))) * places.mean(1))


GATED = ("norm", "gelu", "attention", "channels")


def trained(head: nn.Module, steps: int = 8) -> nn.Module:
    """A few steps towards telling four random classes apart, so that weights and batch statistics are not the first."""
    generator = torch.Generator().manual_seed(7)
    maps = torch.randn(12, CHANNELS, *GRID, generator=generator) + 0.5
    head.train()
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(steps):
        answer = head(maps)
        whole = functional.normalize(getattr(answer, "whole", answer), dim=1)
        likeness = whole @ whole.T
        same = (torch.arange(12)[:, None] - torch.arange(12)) % 4 == 0
        loss = functional.softplus(-5 * likeness[same]).mean() + functional.softplus(5 * likeness[~same]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head
