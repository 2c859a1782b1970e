"""A made-up but realistic run folder: drawn pictures of several classes, clustered vectors, curves, two evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw

from kinsight.files import write_json, write_npz, write_text

DIM = 16


def make_run(
    folder: Path,
    classes: list[str],
    per_class: int,
    *,
    noise: float = 0.5,
    rendered: bool = False,
    neighbours: int = 10,
) -> Path:
    """Write a run folder whose classes are clusters of vectors, `noise` of them in standard deviations wide."""
    generator = np.random.default_rng(7)
    labels = np.repeat(np.array(classes), per_class)
    kinds = np.repeat(np.arange(len(classes)), per_class)
    paths = [draw(folder.parent / "pictures", kind, number, generator) for number, kind in enumerate(kinds.tolist())]
    write_text(folder / "recipe.yaml", yaml.safe_dump({"epochs": 20, "model": {"trunk": "resnet50"}, "seed": 0}))
    write_json(folder / "protocol.json", protocol(len(classes), len(labels), rendered))
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in history(generator)))
    for name, model, width in (("test", "trained", noise), ("test-untrained", "untrained", 2.2 * noise)):
        vectors = clustered(kinds, width, generator)
        arrays = ranked(vectors, labels, neighbours)
        content = {
            "name": name,
            "model": model,
            "split": "test",
            "metrics": numbers(arrays),
            "protocol": measured(rendered),
        }
        write_json(folder / "evaluation" / f"{name}.json", content)
        ids = np.array([f"{label}/{Path(path).name}" for label, path in zip(labels, paths, strict=True)])
        stored = {"ids": ids, "paths": np.array(paths), "labels": labels, "vectors": vectors, **arrays}
        write_npz(folder / "evaluation" / f"{name}.npz", stored)
    return folder


def clustered(kinds: np.ndarray, width: float, generator: np.random.Generator) -> np.ndarray:
    """Unit vectors (N, DIM) around one direction a class."""
    centres = generator.normal(size=(kinds.max() + 1, DIM))
    vectors = centres[kinds] + width * generator.normal(size=(len(kinds), DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def ranked(vectors: np.ndarray, labels: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """What an evaluation stores of a ranking, worked out in the plainest way."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    same = labels[order] == labels[:, None]
    precision = np.zeros(len(labels))
    for query, label in enumerate(labels):
        relevant = int((labels == label).sum()) - 1
        hits = same[query, :relevant]
        ranks = np.arange(1, relevant + 1)
        precision[query] = float((hits * np.cumsum(hits) / ranks).mean()) if relevant else np.nan
    return {
        "query_rows": np.arange(len(labels)),
        "neighbours": order[:, :k],
        "scores": np.take_along_axis(similarity, order[:, :k], axis=1),
        "precision_at_1": same[:, 0].astype(np.float64),
        "average_precision": precision,
    }


def numbers(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Flat metrics with intervals where a real evaluation has them."""
    found: dict[str, float] = {}
    for key, values in (("map_at_r", arrays["average_precision"]), ("precision_at_1", arrays["precision_at_1"])):
        mean, half = float(np.nanmean(values)), 1.96 * float(np.nanstd(values)) / len(values) ** 0.5
        found |= {key: mean, f"{key}_low": mean - half, f"{key}_high": mean + half}
    mean = found["precision_at_1"]
    found |= {
        "r_precision": 0.9 * mean,
        "recall_at_1": mean,
        "recall_at_2": mean**0.7,
        "nmi": 0.8 * mean,
        "nmi_sd": 0.012,
    }
    found |= {f"effective_dimensions_{share}": dims for share, dims in ((90, 9), (95, 12), (99, 15))}
    found |= {"spectrum_decay": 0.31, "intra_class_distance": 0.62, "inter_class_distance": 1.98}
    found |= {"hubness": 1.234, "antihubs": 0.0421}
    return found | {"queries": len(arrays["query_rows"]), "gallery": len(arrays["query_rows"]), "skipped_queries": 0}


def history(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of 20 epochs."""
    lines: list[dict[str, Any]] = []
    for step in range(10, 1001, 10):
        rates = {"lr_trunk": 1e-4 * (1 - step / 1010), "lr_head": 1e-3 * (1 - step / 1010)}
        loss = 2.5 * np.exp(-step / 300) + 0.4 + 0.12 * generator.normal()
        speed = 55 + 2 * generator.normal()
        lines.append(
            {"kind": "train", "step": step, "epoch": step // 50, "loss": loss, **rates, "pictures_per_second": speed}
        )
        if step % 50 == 0:
            value = 0.55 * (1 - np.exp(-step / 260)) + 0.01 * generator.normal()
            scores = {"map_at_r": value, "r_precision": value + 0.07, "precision_at_1": value + 0.28}
            lines.append({"kind": "validation", "step": step, "epoch": step // 50, **scores})
    lines.insert(60, {"kind": "event", "step": 520, "message": "went on from a checkpoint"})
    return lines


def protocol(classes: int, pictures: int, rendered: bool) -> dict[str, Any]:
    """protocol.json in the shape of a real one."""
    counts = {
        "pictures": pictures,
        "classes": classes,
        "min_per_class": 12,
        "median_per_class": 12.0,
        "max_per_class": 12,
    }
    training = {"pictures": 4704, "classes": 75, "min_per_class": 41, "median_per_class": 60.0, "max_per_class": 60}
    preprocessing = {
        "size": 224,
        "resize": 256,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bicubic",
    }
    return {
        "data": {
            "source": "birds",
            "rendered": rendered,
            "split_by": "halves",
            "fold": 0,
            "folds": 4,
            "augmentation": "standard",
            "splits": {"train": training, "validation": {**training, "pictures": 1160, "classes": 25}, "test": counts},
            "digest": "5f0c" * 16,
        },
        "model": {
            "trunk": "resnet50",
            "pretrained": True,
            "head": {"name": "linear", "dim": 512, "pooling": "avg"},
            "dim": 512,
            "parameters": 24_557_120,
            "preprocessing": preprocessing,
        },
        "training": {
            "loss": {"name": "proxy-anchor", "margin": 0.1, "alpha": 32.0},
            "batches": {"size": 64, "per_class": 4, "balanced": False},
            "optimizer": {"name": "adamw", "trunk_lr": 1e-4, "head_lr": 1e-3, "weight_decay": 1e-4},
            "epochs": 20,
            "steps": 1000,
            "seed": 0,
            "precision": "bf16",
            "minutes": 31.4,
            "device": "NVIDIA H100",
        },
        "selection": {"by": "map_at_r", "step": 950, "value": 0.5471},
        "versions": {"python": "3.11.7", "kinsight": "0.1.0", "torch": "2.6.0", "timm": "1.0.15"},
    }


def measured(rendered: bool) -> dict[str, Any]:
    """The protocol of an evaluation."""
    model = {"digest": "a41b" * 16, "dim": 512}
    return {
        "distance": "cosine",
        "self_excluded": True,
        "k": [1, 2],
        "data": {"rendered": rendered, "digest": "5f0c" * 16},
        "model": model,
    }


def draw(folder: Path, kind: int, number: int, generator: np.random.Generator) -> str:
    """One picture: a shape whose colour and corners tell its class, somewhere on a shaded ground."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = 96 + 8 * int(generator.integers(0, 6)), 96
    ground = np.linspace(40, 200, width)[None, :, None] * generator.uniform(0.5, 1.2, 3)
    picture = Image.fromarray(np.broadcast_to(ground, (height, width, 3)).clip(0, 255).astype(np.uint8))
    tone = tuple(int(value) for value in np.random.default_rng(kind).integers(30, 255, 3))
    x, y = generator.integers(38, width - 38), generator.integers(38, height - 38)
    rotation = int(generator.integers(0, 360))
    ImageDraw.Draw(picture).regular_polygon((int(x), int(y), 30), 3 + kind % 5, rotation, fill=tone, outline="white")
    path = folder / f"{number:04}.jpg"
    picture.save(path, quality=88)
    return str(path)
