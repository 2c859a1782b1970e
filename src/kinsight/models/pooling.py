"""From a feature map (N, C, h, w) to one vector a picture (N, C').

Average, sum and flatten are linear, a maximum is once its arg-max is known, and the generalised mean is a weighted sum whose
weights are a gate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.gates import gate
from kinsight.registry import Named, Registry

MAP = "map"


class Average(nn.Module):
    """The mean over the places (global average pooling)."""

    def forward(self, feature_map: Tensor) -> Tensor:
        return feature_map.mean(dim=(2, 3))  # (N, C)


class Maximum(nn.Module):
    """The largest value of each channel (global max pooling).

    In training the gradient of equal values goes to the first of them; explanations share it among all of them.
    """

    def forward(self, feature_map: Tensor) -> Tensor:
        return feature_map.flatten(2).max(dim=2).values  # (N, C)


class AverageAndMaximum(nn.Module):
    """The sum of both, the pooling of Proxy-Anchor and of the code bases that follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.average = Average()
        self.maximum = Maximum()

    def forward(self, feature_map: Tensor) -> Tensor:
        return self.average(feature_map) + self.maximum(feature_map)  # (N, C)


class GeneralisedMean(nn.Module):
    """(mean of x^p)^(1/p) over the places with learnable p (GeM; Radenovic et al., TPAMI 2018, equation 3).

    p = 1 is the average, a large p nears the maximum. Values below `eps` count as `eps`.
    """

    def __init__(self, power: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(float(power)))
        self.eps = eps

    def forward(self, feature_map: Tensor) -> Tensor:
        # Powers of small numbers leave the range of half precision; the mean is taken in float32 at least.
        values = feature_map.to(torch.promote_types(feature_map.dtype, torch.float32)).clamp(
            min=self.eps
        )  # (N, C, h, w)
        return (gate(self.weights(values)) * values).sum(dim=(2, 3)).to(feature_map.dtype)  # (N, C)

    def weights(self, values: Tensor) -> Tensor:
        """What each place counts, (N, C, h, w): the generalised mean is the sum of the values, weighted so.

        They are x^(p-1) / (hw (mean x^p)^((p-1)/p)), which is also the derivative of the mean.
        """
        largest = values.detach().amax(dim=(2, 3), keepdim=True)  # cancels out, but without it powers would underflow
        raised = (values / largest).pow(self.power - 1)  # (N, C, h, w)
        mean = (raised * values / largest).mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        return raised * mean.pow(1.0 / self.power - 1) / (values.shape[2] * values.shape[3])


class Flatten(nn.Module):
    """Every place keeps its own values, channel by channel: C' = C h w. The picture size is thereby fixed."""

    def __init__(self, map_size: tuple[int, int]) -> None:
        super().__init__()
        self.map_size = map_size

    def forward(self, feature_map: Tensor) -> Tensor:
        if tuple(feature_map.shape[2:]) != self.map_size:
            given, built = ("x".join(map(str, size)) for size in (feature_map.shape[2:], self.map_size))
            raise KinsightError(
                f"pooling flatten was built for a {built} feature map and was given {given}; use pictures of the size "
                "the model was built for, or a pooling that takes any size such as avg"
            )
        return feature_map.flatten(1)  # (N, C h w)


POOLINGS = Registry(
    "pooling",
    {
        "avg": Named(Average),
        "max": Named(Maximum),
        "avg+max": Named(AverageAndMaximum),
        "gem": Named(GeneralisedMean),
        "flatten": Named(Flatten),
    },
    hands=("map_size",),
)

VECTORS = ("avg", "max", "avg+max")
"""Those that learn nothing and leave one number a channel: what a head that pools so needs of a map, and no more."""
READS = (MAP, *VECTORS)
"""What a head may say that it reads of a feature map (its attribute `reads`): all of it, or what one of these poolings leaves."""


def make_pooling(name: str, *, map_size: tuple[int, int]) -> nn.Module:
    """The pooling of that name, (N, C, h, w) -> (N, C').

    Args:
        name: one of `POOLINGS`.
        map_size: height and width of the feature map; only flatten depends on it.

    Raises:
        KinsightError: the name is not known.
    """
    made: nn.Module = POOLINGS.build({"name": name}, {"map_size": map_size})
    return made


def pooled_channels(name: str, channels: int, map_size: tuple[int, int]) -> int:
    """C', the length of the pooled vector, for a feature map of `channels` x h x w."""
    return channels * map_size[0] * map_size[1] if name == "flatten" else channels
