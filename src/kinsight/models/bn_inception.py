"""BN-Inception, the trunk of the Reality Check and of the papers that follow it, which timm lacks: registered under the name bn_inception.

The second network of "Batch Normalization: Accelerating Deep Network Training" (Ioffe and Szegedy 2015, figure 5), as it was published for
Caffe and ported to PyTorch. Layers are called as in that port, so that its ImageNet weights fit, as a .safetensors file. Those were trained
on pictures in the order blue, green, red with values up to 255: here pictures come as those of all networks, are brought to that range
by mean and standard deviation, and the order of their channels is turned round inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional

from kinsight.models.lacking import built

default_cfgs = generate_default_cfgs(
    {
        "bn_inception.none": {
            "input_size": (3, 224, 224),
            "mean": (128 / 255, 117 / 255, 104 / 255),
            "std": (1 / 255, 1 / 255, 1 / 255),
            "classifier": "last_linear",
            "first_conv": "conv1_7x7_s2",
        }
    }
)


@dataclass(frozen=True)
class _Block:
    """Channels of the ways through an inception block; one without `one` and `pool` halves the map, and pools its input beside."""

    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pool: int
    pools: str = "average"

    @property
    def channels(self) -> int:
        """What comes out, beside the input where that is handed on."""
        return self.one + self.three[1] + self.double[1] + self.pool


_BLOCKS = {
    "3a": _Block(64, (64, 64), (64, 96), 32),
    "3b": _Block(64, (64, 96), (64, 96), 64),
    "3c": _Block(0, (128, 160), (64, 96), 0),
    "4a": _Block(224, (64, 96), (96, 128), 128),
    "4b": _Block(192, (96, 128), (96, 128), 128),
    "4c": _Block(160, (128, 160), (128, 160), 128),
    "4d": _Block(96, (128, 192), (160, 192), 128),
    "4e": _Block(0, (128, 192), (192, 256), 0),
    "5a": _Block(352, (192, 320), (160, 224), 128),
    "5b": _Block(352, (192, 320), (192, 224), 128, "maximum"),
}


class BNInceptionFeatures(nn.Module):
    """The network up to its last feature map."""

    def __init__(self) -> None:
        super().__init__()
        self._add("conv1_7x7_s2", 3, 64, 7, 2)
        self._add("conv2_3x3_reduce", 64, 64, 1)
        self._add("conv2_3x3", 64, 192, 3)
        width = 192
        for name, block in _BLOCKS.items():
            width = self._add_block(f"inception_{name}", block, width)
        self.num_features = width

    def _add(self, name: str, before: int, after: int, kernel: int, stride: int = 1) -> None:
        self.add_module(name, nn.Conv2d(before, after, kernel, stride, kernel // 2))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(after))

    def _add_block(self, name: str, block: _Block, width: int) -> int:
        stride = 1 if block.one else 2
        if block.one:
            self._add(f"{name}_1x1", width, block.one, 1)
        self._add(f"{name}_3x3_reduce", width, block.three[0], 1)
        self._add(f"{name}_3x3", *block.three, 3, stride)
        self._add(f"{name}_double_3x3_reduce", width, block.double[0], 1)
        self._add(f"{name}_double_3x3_1", *block.double, 3)
        self._add(f"{name}_double_3x3_2", block.double[1], block.double[1], 3, stride)
        if block.pool:
            self._add(f"{name}_pool_proj", width, block.pool, 1)
        return block.channels if block.one else block.channels + width

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1024, h, w), strides of 32."""
        values = self._through(images.flip(1), "conv1_7x7_s2")  # blue, green, red
        values = functional.max_pool2d(values, 3, 2, ceil_mode=True)
        values = self._through(values, "conv2_3x3_reduce", "conv2_3x3")
        values = functional.max_pool2d(values, 3, 2, ceil_mode=True)
        for name, block in _BLOCKS.items():
            values = self._block(values, f"inception_{name}", block)
        return values

    def _through(self, values: Tensor, *names: str) -> Tensor:
        for name in names:
            values = functional.relu(getattr(self, f"{name}_bn")(getattr(self, name)(values)))
        return values

    def _block(self, values: Tensor, name: str, block: _Block) -> Tensor:
        ways = [self._through(values, f"{name}_1x1")] if block.one else []
        ways.append(self._through(values, f"{name}_3x3_reduce", f"{name}_3x3"))
        ways.append(self._through(values, f"{name}_double_3x3_reduce", f"{name}_double_3x3_1", f"{name}_double_3x3_2"))
        if not block.pool:
            ways.append(functional.max_pool2d(values, 3, 2, ceil_mode=True))
        elif block.pools == "maximum":
            ways.append(self._through(functional.max_pool2d(values, 3, 1, 1), f"{name}_pool_proj"))
        else:
            ways.append(self._through(functional.avg_pool2d(values, 3, 1, 1), f"{name}_pool_proj"))
        return torch.cat(ways, 1)


@register_model
def bn_inception(pretrained: bool = False, **options: Any) -> nn.Module:
    """BN-Inception for `timm.create_model`."""
    return built("bn_inception", BNInceptionFeatures, default_cfgs, options)


def checkpoint_filter_fn(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The published weights without their classifier, and with the counts that batch norms had not yet when they were published."""
    kept = {name: value for name, value in tensors.items() if not name.startswith("last_linear.")}
    counted = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    # An older edition of the file has a row of numbers where a batch norm wants the numbers.
    return counted | {
        name: value.flatten() if "_bn." in name and value.ndim == 2 else value for name, value in kept.items()
    }
