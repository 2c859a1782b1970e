"""A training for somebody who says nothing but where the pictures are: settings that fit these data and this machine, and why.

What is chosen is a recipe like any other: a nested mapping, over which everything wins that somebody says himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torchvision.transforms.v2.functional import pil_to_tensor, resize

from kinsight import processes
from kinsight.data import with_validation
from kinsight.data.splits import validation_classes
from kinsight.models.found_weights import HALF, VARIABLE, FoundWeights, fed_with, find_weights, trunk_of
from kinsight.models.heads import WITHIN_CLASS
from kinsight.models.trunk import Trunk
from kinsight.pictures.decoding import UnreadablePicture, open_picture
from kinsight.settings.training import DataSettings
from kinsight.training.fitting import most_folds
from kinsight.training.tables import boxes_of

ON_A_PROCESSOR = ("mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_b0", "resnet18", "resnet50")
ON_A_GPU = ("resnet50", "vit_small_patch16_224", "efficientnet_b0", "resnet18", "mobilenetv2_100")
FROM_SCRATCH = "resnet18"
LARGEST_SIDE = 224
FEWEST_TO_FIT = 5
"""Training classes from which a head is fitted: of fewer, neither the mean nor the differences hold for other classes."""
LOOKED_AT = 48
"""How many pictures are opened to see how large they are and how bright."""
PASSES = 6_000
"""Pictures of 224 x 224 that MobileNetV2 trains on in about five minutes on two cores."""
TENSORFLOW = ("timm.models.efficientnet", "timm.models.mobilenetv3")
"""Where timm keeps the networks whose weights come from TensorFlow where they were fed with -1 to 1; it pads on one side (`same`)."""


@dataclass
class Choice:
    """A recipe for these data, and a sentence for each part of it."""

    recipe: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def choose(given: Mapping[str, Any], data: DataSettings, table: pd.DataFrame) -> Choice:
    """A recipe for a table that is checked and has no validation classes held out yet.

    Args:
        given: what somebody said, nested; it is not repeated in the recipe, but what it leaves open fits it.
        data: the data settings that follow from it.
    """
    train = np.flatnonzero((table["split"] == "train").to_numpy())
    classes = int(table["label"].iloc[train].nunique())
    unseen = table.loc[table["split"] == "test", "label"].nunique()
    choice = Choice()
    choice.reasons.append(
        f"data: {len(train)} pictures of {classes} classes to train on; {unseen} other classes are left for `kinsight evaluate`"
    )
    look = _Look.at(table, train, data)
    pretrained, size = _model(choice, given, look)
    folds = _validation(choice, given, data, table, classes)
    data = replace(data, fold=choice.recipe.get("data", {}).get("fold", data.fold))
    learning = _learning(table, folds, data, classes)
    if pretrained and "head" not in (given.get("model") or {}):
        _head(choice, int(learning.nunique()))
    _training(choice, given, learning, pretrained, size)
    return choice


@dataclass(frozen=True)
class _Look:
    """What a few of the pictures look like."""

    shorter: int
    aspect: float  # width / height
    alike: bool  # whether nearly all have that aspect
    pictures: torch.Tensor  # (N, 3, 96, 96), brightness 0 to 1

    @classmethod
    def at(cls, table: pd.DataFrame, rows: np.ndarray, data: DataSettings) -> _Look:
        some = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int))]
        boxes = boxes_of(table, some) if data.crop_to_box else None
        sizes, pictures = [], []
        for place, path in enumerate(table["path"].to_numpy()[some]):
            box: Any = None if boxes is None or np.isnan(boxes[place]).any() else tuple(map(int, np.rint(boxes[place])))
            try:
                picture = open_picture(path, box=box)
            except UnreadablePicture:
                continue  # the training says what is to be done about it
            sizes.append(picture.size)
            pictures.append(resize(pil_to_tensor(picture), [96, 96]).float() / 255)
        if not sizes:
            return cls(LARGEST_SIDE, 1.0, False, torch.zeros(0, 3, 96, 96))
        width, height = np.array(sizes, dtype=float).T
        low, aspect, high = np.quantile(width / height, [0.25, 0.5, 0.75])
        return cls(
            int(np.median(np.minimum(width, height))), float(aspect), bool(high / low < 1.35), torch.stack(pictures)
        )


def _model(choice: Choice, given: Mapping[str, Any], look: _Look) -> tuple[bool, tuple[int, int]]:
    """Trunk, weights and what they are fed with; whether they are pretrained, and height and width."""
    model = dict(given.get("model") or {})
    found = _weights(model)
    pretrained = bool(found or model.get("weights") or model.get("pretrained"))
    trunk = str(model.get("trunk") or (found.trunk if found else FROM_SCRATCH))
    size = _size(look)
    recipe: dict[str, Any] = {
        "trunk": trunk,
        "size": size[0] if size[0] == size[1] else [*size],
        "resize": None,
        # The embedding is as long as the pooled feature: the run starts as the frozen network itself, not below it.
        "head": {"name": "linear", "dim": None, "pooling": "avg"}
        if pretrained
        else {"name": "linear", "dim": 128, "pooling": "avg"},
        "frozen_norm": "statistics" if pretrained else "none",
    }
    if found:
        recipe["weights"] = str(found.file)
        recipe |= _fed(found, look, model)
        choice.reasons.append(f"trunk: {trunk} with the weights {found.file.name} ({found.where})")
    elif pretrained:
        choice.reasons.append(f"trunk: {trunk} with the weights that were given")
    else:
        choice.reasons.append(
            f"trunk: {trunk} with random weights, of which little can be expected; give pretrained ones by --model.weights FILE, by "
            f"{VARIABLE}, or fetch them by --model.pretrained true"
        )
    if "size" not in model:
        shape = "their common shape" if size[0] != size[1] else "squashed to a square"
        choice.reasons.append(
            f"input: {size[0]} x {size[1]} pixels (height x width), {shape}; half of the pictures have a shorter side of {look.shorter} "
            "or more"
        )
    if "mean" in recipe:
        choice.reasons.append(
            "input range: -1 to 1, because with it the pictures meet what the first batch norm of the weights remembers"
        )
    choice.recipe["model"] = recipe
    return pretrained, size


def _weights(model: Mapping[str, Any]) -> FoundWeights | None:
    """Weights for what was said of the model; None where it says of its weights itself, or there are none."""
    if model.get("pretrained"):
        return None
    if model.get("weights"):
        file = Path(str(model["weights"]))
        trunk = model.get("trunk") or (trunk_of(file) if file.suffix == ".safetensors" else None)
        return FoundWeights(file, str(trunk), "given") if trunk and file.is_file() else None
    if model.get("trunk"):
        found = find_weights([str(model["trunk"])])
        return found if found and found.trunk == model["trunk"] else None
    return find_weights(ON_A_GPU if processes.device().type == "cuda" else ON_A_PROCESSOR)


def _fed(found: FoundWeights, look: _Look, model: Mapping[str, Any]) -> dict[str, Any]:
    """Mean, deviation and padding where they are not what timm says of this network."""
    if not len(look.pictures) or {"mean", "std", "bgr", "scale"} & set(model):
        return {}
    trunk = Trunk(found.trunk, weights=found.file, options=model.get("trunk_options"), size=(96, 96))
    mean, std = fed_with(trunk, look.pictures)
    if (mean, std) == (trunk.default_mean, trunk.default_std):
        return {}
    fed: dict[str, Any] = {"mean": [*mean], "std": [*std]}
    if mean == HALF and type(trunk.network).__module__ in TENSORFLOW:
        fed["trunk_options"] = {"pad_type": "same"}
    return fed


def _size(look: _Look) -> tuple[int, int]:
    """Height and width: no larger than the pictures are or than networks are pretrained with, in steps of 32."""
    shorter = min(LARGEST_SIDE, max(64, round(look.shorter / 32) * 32))
    if not look.alike or 0.8 <= look.aspect <= 1.25:
        return shorter, shorter
    stretch = max(look.aspect, 1 / look.aspect)
    if shorter * stretch > 1.5 * LARGEST_SIDE:  # as many pixels as the square has
        shorter = max(64, round(shorter / stretch**0.5 / 32) * 32)
    longer = round(shorter * min(2.0, stretch) / 32) * 32
    return (shorter, longer) if look.aspect > 1 else (longer, shorter)


def _validation(
    choice: Choice, given: Mapping[str, Any], data: DataSettings, table: pd.DataFrame, classes: int
) -> int | None:
    """Into how many folds the training classes are cut; None where nothing is held out."""
    if data.split == "all":
        choice.reasons.append("validation: none, because every class trains; the last step is the model")
        return None
    own = int(table.loc[table["split"] == "validation", "label"].nunique())
    if own:
        choice.reasons.append(f"validation: the {own} classes of the table")
        return None
    said = given.get("data") or {}
    if data.fold is None or "folds" in said:
        return data.folds if data.fold is not None else None
    most = most_folds(classes)
    if not most:
        choice.recipe["data"] = {"fold": None}
        choice.reasons.append(
            f"validation: none, because {classes} training classes are too few to hold out two; the last step is the model"
        )
        return None
    # A third of few classes, a quarter of many: two or three classes choose better than one, and many train better than few.
    folds = min(4, max(3, classes // 3), most)
    fold = data.fold if "fold" in said else _telling_fold(table, folds)
    choice.recipe["data"] = {"folds": folds, "fold": fold}
    choice.reasons.append(
        f"validation: {classes // folds} of the training classes say whether training helps and which step is the best "
        f"(fold {fold + 1} of {folds})"
    )
    return folds


def _telling_fold(table: pd.DataFrame, folds: int) -> int:
    """The first fold with at least half its share of the training pictures: a handful of pictures tells nothing."""
    train = table.loc[table["split"] == "train", "label"]
    for fold in range(folds):
        if train.isin(validation_classes(train.unique(), fold, folds)).sum() >= len(train) / folds / 2:
            return fold
    return 0


def _learning(table: pd.DataFrame, folds: int | None, data: DataSettings, classes: int) -> pd.Series:
    """The labels that are left to train on."""
    if folds is not None and data.fold is not None and 2 <= folds <= classes and 0 <= data.fold < folds:
        table = with_validation(table, data.fold, folds)
    return table.loc[table["split"] == "train", "label"]


def _head(choice: Choice, classes: int) -> None:
    """What stands between the pooled feature and the embedding."""
    if classes < FEWEST_TO_FIT:
        choice.reasons.append(
            f"head: none, the pooled feature itself; {classes} classes do not tell how pictures of any one class differ"
        )
        return
    choice.recipe["model"]["head"]["init"] = WITHIN_CLASS
    choice.reasons.append(
        "head: as long as the pooled feature, fitted so that differences within the training classes count less (within-class whitening)"
    )


def _training(
    choice: Choice, given: Mapping[str, Any], labels: pd.Series, pretrained: bool, size: tuple[int, int]
) -> None:
    classes = int(labels.nunique())
    together = min(classes, 16)
    per_class = min(8, max(4, ceil(32 / max(1, together))))
    slow = size[0] * size[1] / LARGEST_SIDE**2
    most = 12 if pretrained else 60
    affordable = PASSES / slow / max(1, len(labels)) if processes.device().type == "cpu" else most
    epochs = int(min(most, max(4, round(affordable))))
    # Few classes teach a network what tells these few apart, at the cost of all others: the fewer, the more gently.
    rate = 1.0e-3 if not pretrained else 5.0e-5 if classes >= FEWEST_TO_FIT else 1.0e-5
    choice.recipe.setdefault("data", {})["augmentation"] = "mild"
    choice.recipe |= {
        "objective": {
            "loss": {"name": "multi-similarity", "alpha": 2, "beta": 40, "base": 0.5},
            "miner": {"name": "multi-similarity", "epsilon": 0.1},
        },
        "batches": {"size": together * per_class, "per_class": per_class},
        "optimizer": {
            "name": "adamw",
            "trunk_lr": rate,
            "head_lr": 2.0e-5 if pretrained else 1.0e-3,
            "weight_decay": 1.0e-4,
        },
        "schedule": {"name": "cosine", "warmup": 1.0},
        "epochs": epochs,
        "validate_every": max(1, epochs // 6),
    }
    # What somebody said himself needs no reason.
    if "batches" not in given:
        choice.reasons.append(
            f"batches: {together} classes with {per_class} pictures each, of {classes} classes with {len(labels)} pictures"
        )
    loss = "" if "objective" in given else " of the multi-similarity loss"
    rates = "" if "optimizer" in given else f", {'gently' if pretrained else 'from scratch'} (trunk rate {rate:.0e})"
    choice.reasons.append(f"training: {given.get('epochs', epochs)} epochs{loss}{rates}")
