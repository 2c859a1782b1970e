"""GoogLeNet (Inception-v1 with batch norm), which timm lacks: torchvision's, registered with timm under the name googlenet.

Weights are torchvision's own (`googlenet`, as a .safetensors file). Its input is ImageNet-normalized like that of other networks: the
rescaling that torchvision puts before its ported weights is left out, as Attentive Grouping does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn
from torchvision.models import GoogLeNet

from kinsight.models.lacking import built

default_cfgs = generate_default_cfgs(
    {
        "googlenet.none": {
            "input_size": (3, 224, 224),
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
            "classifier": "fc",
            "first_conv": "conv1.conv",
        }
    }
)
_LAYERS = (
    "conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3", "inception4a", "inception4b",
    "inception4c", "inception4d", "inception4e", "maxpool4", "inception5a", "inception5b",
)  # fmt: skip


class GoogLeNetFeatures(GoogLeNet):
    """torchvision's network up to its last feature map."""

    def __init__(self) -> None:
        super().__init__(aux_logits=False, transform_input=False, init_weights=False)
        self.avgpool = self.dropout = self.fc = nn.Identity()
        self.num_features = 1024

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1024, h, w), strides of 32."""
        for layer in _LAYERS:
            images = getattr(self, layer)(images)
        return images


@register_model
def googlenet(pretrained: bool = False, **options: Any) -> nn.Module:
    """GoogLeNet for `timm.create_model`."""
    return built("googlenet", GoogLeNetFeatures, default_cfgs, options)


def checkpoint_filter_fn(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """torchvision's weights without the two classifiers that only its training had."""
    return {name: value for name, value in tensors.items() if not name.startswith(("aux1.", "aux2."))}
