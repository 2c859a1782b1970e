"""OSNet (Zhou et al., ICCV 2019), width 0.25, with its batch norms folded into the convolutions."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 64, 96, 128)


class Conv(nn.Module):
    """Convolution with its batch norm folded in, and ReLU unless it is linear."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, *, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2)
        self.linear = linear

    def forward(self, values: Tensor) -> Tensor:
        values = self.conv(values)
        return values if self.linear else functional.relu(values)


class LightConv(nn.Module):
    """Pointwise, then depthwise 3 x 3: a cheap convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, values: Tensor) -> Tensor:
        return functional.relu(self.conv2(self.conv1(values)))


class ChannelGate(nn.Module):
    """Sigmoids by which the streams of all scales are weighed, channel by channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // 16, 1)
        self.fc2 = nn.Conv2d(width // 16, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        pooled = values.mean((2, 3), keepdim=True)
        return values * self.fc2(functional.relu(self.fc1(pooled))).sigmoid()


class Block(nn.Module):
    """Residual block of four streams, which see 3, 5, 7 and 9 pixels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        width = after // 4
        self.conv1 = Conv(before, width)
        self.conv2a = LightConv(width)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*[LightConv(width) for _ in range(count)]) for count in (2, 3, 4)
        )
        self.gate = ChannelGate(width)
        self.conv3 = Conv(width, after, linear=True)
        self.downsample = Conv(before, after, linear=True) if before != after else None

    def forward(self, values: Tensor) -> Tensor:
        reduced = self.conv1(values)
        streams = (self.conv2a, self.conv2b, self.conv2c, self.conv2d)
        mixed = self.conv3(sum(self.gate(stream(reduced)) for stream in streams))
        return functional.relu(mixed + (values if self.downsample is None else self.downsample(values)))


class OSNet(nn.Module):
    """(N, 3, 256, 128), RGB with the mean and standard deviation of ImageNet -> (N, 512), not normalized."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.conv1 = Conv(3, first, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = _stage(first, second, reduced=True)
        self.conv3 = _stage(second, third, reduced=True)
        self.conv4 = _stage(third, fourth, reduced=False)
        self.conv5 = Conv(fourth, fourth)
        self.fc = nn.Sequential(nn.Linear(fourth, 512), nn.BatchNorm1d(512), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        return self.above(self.below(images))

    def below(self, images: Tensor) -> Tensor:
        """The trunk: (N, 128, 16, 8)."""
        return self.conv5(self.conv4(self.conv3(self.conv2(self.maxpool(self.conv1(images))))))

    def above(self, feature_map: Tensor) -> Tensor:
        """The head: average, linear layer, batch norm, ReLU."""
        return self.fc(feature_map.mean((2, 3)))


def _stage(before: int, after: int, *, reduced: bool) -> nn.Sequential:
    ending = [nn.Sequential(Conv(after, after), nn.AvgPool2d(2))] if reduced else []
    return nn.Sequential(Block(before, after), Block(after, after), *ending)


def load_osnet(weights: Path) -> OSNet:
    """From `osnet_x0_25_msmt17_bnfolded.safetensors`."""
    network = OSNet()
    missing, unexpected = network.load_state_dict(safetensors.torch.load_file(weights), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"these weights are of another network: {missing}, {unexpected}")
    return network.eval()
