"""BN-Inception as plainly as it can be written: every layer by its published name, convolutions as products of patches."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

# (name, inputs, outputs, side of the kernel) of the published file, in its order.
LAYERS = [
    ("conv1_7x7_s2", 3, 64, 7), ("conv2_3x3_reduce", 64, 64, 1), ("conv2_3x3", 64, 192, 3),
    ("inception_3a_1x1", 192, 64, 1), ("inception_3a_3x3_reduce", 192, 64, 1), ("inception_3a_3x3", 64, 64, 3),
    ("inception_3a_double_3x3_reduce", 192, 64, 1), ("inception_3a_double_3x3_1", 64, 96, 3), ("inception_3a_double_3x3_2", 96, 96, 3),
    ("inception_3a_pool_proj", 192, 32, 1),
    ("inception_3b_1x1", 256, 64, 1), ("inception_3b_3x3_reduce", 256, 64, 1), ("inception_3b_3x3", 64, 96, 3),
    ("inception_3b_double_3x3_reduce", 256, 64, 1), ("inception_3b_double_3x3_1", 64, 96, 3), ("inception_3b_double_3x3_2", 96, 96, 3),
    ("inception_3b_pool_proj", 256, 64, 1),
    ("inception_3c_3x3_reduce", 320, 128, 1), ("inception_3c_3x3", 128, 160, 3),
    ("inception_3c_double_3x3_reduce", 320, 64, 1), ("inception_3c_double_3x3_1", 64, 96, 3), ("inception_3c_double_3x3_2", 96, 96, 3),
    ("inception_4a_1x1", 576, 224, 1), ("inception_4a_3x3_reduce", 576, 64, 1), ("inception_4a_3x3", 64, 96, 3),
    ("inception_4a_double_3x3_reduce", 576, 96, 1), ("inception_4a_double_3x3_1", 96, 128, 3), ("inception_4a_double_3x3_2", 128, 128, 3),
    ("inception_4a_pool_proj", 576, 128, 1),
    ("inception_4b_1x1", 576, 192, 1), ("inception_4b_3x3_reduce", 576, 96, 1), ("inception_4b_3x3", 96, 128, 3),
    ("inception_4b_double_3x3_reduce", 576, 96, 1), ("inception_4b_double_3x3_1", 96, 128, 3),
    ("inception_4b_double_3x3_2", 128, 128, 3),
    ("inception_4b_pool_proj", 576, 128, 1),
    ("inception_4c_1x1", 576, 160, 1), ("inception_4c_3x3_reduce", 576, 128, 1), ("inception_4c_3x3", 128, 160, 3),
    ("inception_4c_double_3x3_reduce", 576, 128, 1), ("inception_4c_double_3x3_1", 128, 160, 3),
    ("inception_4c_double_3x3_2", 160, 160, 3),
    ("inception_4c_pool_proj", 576, 128, 1),
    ("inception_4d_1x1", 608, 96, 1), ("inception_4d_3x3_reduce", 608, 128, 1), ("inception_4d_3x3", 128, 192, 3),
    ("inception_4d_double_3x3_reduce", 608, 160, 1), ("inception_4d_double_3x3_1", 160, 192, 3),
    ("inception_4d_double_3x3_2", 192, 192, 3),
    ("inception_4d_pool_proj", 608, 128, 1),
    ("inception_4e_3x3_reduce", 608, 128, 1), ("inception_4e_3x3", 128, 192, 3),
    ("inception_4e_double_3x3_reduce", 608, 192, 1), ("inception_4e_double_3x3_1", 192, 256, 3),
    ("inception_4e_double_3x3_2", 256, 256, 3),
    ("inception_5a_1x1", 1056, 352, 1), ("inception_5a_3x3_reduce", 1056, 192, 1), ("inception_5a_3x3", 192, 320, 3),
    ("inception_5a_double_3x3_reduce", 1056, 160, 1), ("inception_5a_double_3x3_1", 160, 224, 3),
    ("inception_5a_double_3x3_2", 224, 224, 3),
    ("inception_5a_pool_proj", 1056, 128, 1),
    ("inception_5b_1x1", 1024, 352, 1), ("inception_5b_3x3_reduce", 1024, 192, 1), ("inception_5b_3x3", 192, 320, 3),
    ("inception_5b_double_3x3_reduce", 1024, 192, 1), ("inception_5b_double_3x3_1", 192, 224, 3),
    ("inception_5b_double_3x3_2", 224, 224, 3),
    ("inception_5b_pool_proj", 1024, 128, 1),
]  # fmt: skip


def published(generator: torch.Generator) -> dict[str, Tensor]:
    """Random values under the names and in the shapes of the published file, its classifier with them."""

    def values(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    found = {"last_linear.weight": values(1000, 1024), "last_linear.bias": values(1000)}
    for name, before, after, side in LAYERS:
        found[f"{name}.weight"] = values(after, before, side, side) / (before * side * side) ** 0.5
        found[f"{name}.bias"] = values(after) / 10
        found[f"{name}_bn.weight"] = 1 + values(after) / 10
        found[f"{name}_bn.bias"] = values(after) / 10
        found[f"{name}_bn.running_mean"] = values(after) / 10
        found[f"{name}_bn.running_var"] = 1 + values(after).abs() / 10
    return found


def feature_map(tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """(N, 3, H, W), blue, green, red -> (N, 1024, h, w)."""

    def layer(name: str, values: Tensor, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.weight"]
        side = weight.shape[-1]
        height, width = ((length + 2 * (side // 2) - side) // stride + 1 for length in values.shape[2:])
        patches = functional.unfold(values, side, padding=side // 2, stride=stride)  # (N, C k k, h w)
        values = (weight.flatten(1) @ patches + tensors[f"{name}.bias"][:, None]).unflatten(2, (height, width))
        mean, variance, scale, shift = (
            tensors[f"{name}_bn.{each}"][:, None, None] for each in ("running_mean", "running_var", "weight", "bias")
        )
        return ((values - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp_min(0)

    def halved(values: Tensor) -> Tensor:
        return functional.max_pool2d(values, 3, 2, ceil_mode=True)

    values = halved(layer("conv1_7x7_s2", images, 2))
    values = halved(layer("conv2_3x3", layer("conv2_3x3_reduce", values)))
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name = f"inception_{block}"
        stride = 2 if block in ("3c", "4e") else 1
        three = layer(f"{name}_3x3", layer(f"{name}_3x3_reduce", values), stride)
        double = layer(f"{name}_double_3x3_1", layer(f"{name}_double_3x3_reduce", values))
        double = layer(f"{name}_double_3x3_2", double, stride)
        if stride == 2:
            values = torch.cat([three, double, halved(values)], 1)
            continue
        around = functional.max_pool2d(values, 3, 1, 1) if block == "5b" else functional.avg_pool2d(values, 3, 1, 1)
        pooled = layer(f"{name}_pool_proj", around)
        values = torch.cat([layer(f"{name}_1x1", values), three, double, pooled], 1)
    return values
