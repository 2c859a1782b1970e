"""Classes as users write them, right and wrong; named by path in the tests of the registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.models import Embedding


class Loss(nn.Module):
    def __init__(self, gain: float = 1.0, steps: int = 3, mode: str = "mean", plain=2) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.gain * embeddings.square().sum()


class Abstract(nn.Module, ABC):
    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor: ...


class WithoutForward(nn.Module):
    pass


class NoModule:
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor: ...


class Broken(Loss):
    """A mistake of its own, which no option repairs."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.width = self.widht


class Strict(Loss):
    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        if gain < 0:
            raise ValueError("gain must not be negative")


class Head(nn.Module):
    def __init__(self, channels: int, map_size: tuple[int, int], *, dim: int = 4) -> None:
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(channels, dim)

    def forward(self, feature_map: Tensor) -> Any:
        return Embedding.single(self.linear(feature_map.mean(dim=(2, 3))))


class HeadWithoutDim(Head):
    def __init__(self, channels: int, map_size: tuple[int, int]) -> None:
        super().__init__(channels, map_size)
        del self.dim


class HeadOfATensor(Head):
    def forward(self, feature_map: Tensor) -> Tensor:
        return self.linear(feature_map.mean(dim=(2, 3)))


class HeadOfNothing(Head):
    def forward(self, feature_map: Tensor) -> None:
        return None


class HeadThatFails(Head):
    def forward(self, feature_map: Tensor) -> Tensor:
        return torch.ones(2) @ torch.ones(3)


def function(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.sum()
