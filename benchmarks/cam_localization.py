"""Localization by CAM: MobileNetV2's ImageNet classifier looks for the class that it predicts.

The classification row of the localization table (Visual Explanation, Table 1), beside the decomposition of the same features: no metric
learning, no training.

    python benchmarks/cam_localization.py DATA.zip mobilenetv2_100_imagenet1k.safetensors [--split_by dml_split] [--split test]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from kinsight.data import MaskFiles, read_table
from kinsight.explanation import Explainer
from kinsight.explanation.measuring.localization import localize
from kinsight.models import ModelSettings, build_embedder
from kinsight.models.weights import read_tensors
from kinsight.show import localization_table

HALF = [0.5, 0.5, 0.5]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--split_by")
    parser.add_argument("--split", default="test")
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    table = read_table(options.data, split_by=options.split_by)
    table = table[table["split"] == options.split].reset_index(drop=True)
    model = build_embedder(
        ModelSettings(
            trunk="mobilenetv2_100",
            trunk_options={"pad_type": "same"},
            weights=options.weights,
            size=options.size,
            resize=None,
            mean=HALF,
            std=HALF,
            head={"name": "linear", "dim": None, "pooling": "avg"},
        )
    ).eval()
    pictures = table["path"].tolist()
    tensors = read_tensors(options.weights)
    weight, bias = tensors["classifier.weight"].float(), tensors["classifier.bias"].float()
    features = torch.from_numpy(model.encode(pictures, normalize=False))  # (N, C)
    predicted = (features @ weight.T + bias).argmax(1)  # (N,)
    found = localize(
        Explainer(model),
        pictures,
        table["label"].to_numpy(),
        table[["x_1", "y_1", "x_2", "y_2"]].to_numpy(np.float64),
        MaskFiles(table["mask_path"].tolist()) if "mask_path" in table else None,
        methods=["cam", "decomposition", "decomposition+bias"],
        class_weights=weight[predicted].numpy(),
    )
    print(localization_table(found))


if __name__ == "__main__":
    main()
