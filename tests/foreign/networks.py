"""Small networks that Kinsight did not make."""

from __future__ import annotations

import timm
import torch
import torchvision
from torch import Tensor, nn


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and batch statistics of a size at which every layer matters; as first made, many hardly do."""
    generator = torch.Generator().manual_seed(seed)

    def draw(values: Tensor, low: float, high: float) -> None:
        values.copy_(torch.rand(values.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, generator=generator)
                if module.bias is not None:
                    draw(module.bias, -0.3, 0.3)
            elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.running_var is not None:
                draw(module.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
                draw(module.running_var, 0.5, 2)
                draw(module.weight, 0.5, 1.5)
                draw(module.bias, -0.3, 0.3)
            elif isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
                draw(module.weight, 0.5, 1.5)
                if module.bias is not None:
                    draw(module.bias, -0.3, 0.3)
    return model


def resnet() -> nn.Module:
    """torchvision's, with 8 outputs: in-place ReLUs, one of them called twice in a block."""
    return lively(torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=8))


def efficientnet() -> nn.Module:
    """timm's: SiLU and squeeze-and-excitation."""
    return lively(timm.create_model("test_efficientnet", num_classes=8))


def vision_transformer() -> nn.Module:
    """timm's, read at its class token."""
    return lively(timm.create_model("test_vit", num_classes=8, img_size=64, depth=3))


def torchvision_transformer() -> nn.Module:
    """torchvision's, which uses `nn.MultiheadAttention`."""
    options = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32, "num_classes": 8}
    return lively(torchvision.models.VisionTransformer(64, 16, **options))


def swin() -> nn.Module:
    """timm's, with maps (N, h, w, C)."""
    options = {"depths": (2, 2), "num_heads": (2, 4), "embed_dim": 24, "window_size": 4, "num_classes": 8}
    return lively(timm.create_model("swin_tiny_patch4_window7_224", img_size=64, **options))


def convnext() -> nn.Module:
    """timm's: layer norm over channels, GELU."""
    return lively(timm.create_model("test_convnext", num_classes=8))


class Skipping(nn.Module):
    """An encoder and decoder: what lies above the middle also takes what lies below it; ReLUs work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.middle = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
        self.activation = nn.LeakyReLU(0.1, inplace=True)
        self.last = nn.Conv2d(14, 5, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        early = self.activation(self.first(images))
        middle = self.activation(self.middle(early))
        large = nn.functional.interpolate(middle, scale_factor=2)
        return self.last(torch.cat([early, large], 1)).mean((2, 3))


class Sharing(nn.Module):
    """A part of its first block is used again above the middle, and the middle itself is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.PReLU(6))
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        middle = self.first[1](self.middle(self.first(images)))
        return self.last(self.first[1](self.middle(middle))).mean((2, 3))
