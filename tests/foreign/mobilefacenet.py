"""MobileFaceNet (Chen et al., CCBR 2018) as its list of layers says: 52 convolutions, a depthwise one instead of pooling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

LAST_MAP = 48  # the last layer with places: 512 channels of 7 x 7; what follows weighs every place on its own


class Layer(nn.Module):
    """A convolution, perhaps padded as TensorFlow does it, perhaps followed by a PReLU."""

    def __init__(self, channels: int, spec: dict[str, Any]) -> None:
        super().__init__()
        self.kernel, self.stride, self.same = spec["k"], spec["stride"], spec["pad"] == "same"
        groups = channels if spec["type"] == "dw" else 1
        conv = nn.Conv2d(channels, spec["out"], self.kernel, self.stride, groups=groups)
        self.weight, self.bias, self.groups = conv.weight, conv.bias, groups
        self.prelu = nn.Parameter(torch.zeros(spec["out"])) if spec["prelu"] else None

    def forward(self, values: Tensor) -> Tensor:
        if self.same:
            values = functional.pad(values, [*self._padding(values.shape[3]), *self._padding(values.shape[2])])
        values = functional.conv2d(values, self.weight, self.bias, self.stride, groups=self.groups)
        return values if self.prelu is None else functional.prelu(values, self.prelu)

    def _padding(self, length: int) -> tuple[int, int]:
        missing = max((-(-length // self.stride) - 1) * self.stride + self.kernel - length, 0)
        return missing // 2, missing - missing // 2


class MobileFaceNet(nn.Module):
    """(N, 3, 112, 112), (RGB - 127.5) / 128 -> (N, 128), not normalized."""

    def __init__(self, specs: list[dict[str, Any]]) -> None:
        super().__init__()
        self.specs = specs
        channels = [spec["out"] for spec in specs]
        self.layers = nn.ModuleList(Layer(channels[spec["src"]] if spec["src"] >= 0 else 3, spec) for spec in specs)

    def forward(self, images: Tensor) -> Tensor:
        return self.above(self.below(images))

    def below(self, images: Tensor) -> Tensor:
        """The trunk: (N, 512, 7, 7)."""
        return self._run({-1: images}, range(LAST_MAP + 1))

    def above(self, feature_map: Tensor) -> Tensor:
        """The head: (N, 128)."""
        return self._run({LAST_MAP: feature_map}, range(LAST_MAP + 1, len(self.specs))).flatten(1)

    def _run(self, values: dict[int, Tensor], numbers: range) -> Tensor:
        for number in numbers:
            spec = self.specs[number]
            found = self.layers[number](values[spec["src"]])
            values[number] = found if spec["add"] is None else found + values[spec["add"]]
        return values[numbers[-1]]


def load_mobilefacenet(weights: Path, layers: Path) -> MobileFaceNet:
    """From `mobilefacenet_128d.safetensors` and its list of layers."""
    network = MobileFaceNet(json.loads(layers.read_text()))
    tensors = {name: value.float() for name, value in safetensors.torch.load_file(weights).items()}
    own = network.state_dict()
    network.load_state_dict({name: value.reshape(own[name].shape) for name, value in tensors.items()})
    return network.eval()
