"""How much a head fitted within classes gains on unseen ones, by its shrinkage and by the classes that it is fitted to.

Birds and cars that benchmarks/folders.py leaves out: each draw takes 20 classes, fits to 7 or 10 of them and measures on the other 10, as a
difference from the frozen features.

    python benchmarks/whitening.py --data ARCHIVES --weights mobilenetv2_100_imagenet1k.safetensors [--draws 12]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from folders import _classes, _write
from kinsight.evaluation import evaluate
from kinsight.models import build_embedder
from kinsight.models.whitening import within_class_whitening
from kinsight.settings.model import ModelSettings

SHRINKAGES = (0.001, 0.003, 0.01, 0.03)
# Archive, every which class the folders take, input size.
SOURCES: dict[str, tuple[str, int, int | list[int]]] = {
    "birds": ("cub200_2011_crops100", 5, 224),
    "cars": ("cars196_crops", 9, [128, 224]),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the archives")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=12)
    options = parser.parse_args()
    print("| pictures | fitted to | shrinkage | P@1 | standard error | MAP@R | standard error |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in SOURCES:
        vectors, labels = features(name, options.data, options.weights)
        gains: dict[tuple[int, float], list[tuple[float, float]]] = {}
        generator = np.random.default_rng(0)
        for _ in range(options.draws):
            drawn = generator.permutation(np.unique(labels))[:20]
            unseen = np.isin(labels, drawn[10:])
            frozen = scores(vectors[unseen], labels[unseen])
            for classes in (7, 10):
                seen = np.isin(labels, drawn[:classes])
                for shrinkage in SHRINKAGES:
                    given = torch.from_numpy(vectors[seen]), torch.from_numpy(labels[seen])
                    weight, bias = within_class_whitening(*given, shrinkage=shrinkage)
                    fitted = vectors[unseen] @ weight.numpy().T + bias.numpy()
                    gain = tuple(a - b for a, b in zip(scores(fitted, labels[unseen]), frozen, strict=True))
                    gains.setdefault((classes, shrinkage), []).append(gain)
        for (classes, shrinkage), found in gains.items():
            mean, error = np.mean(found, 0), np.std(found, 0, ddof=1) / np.sqrt(len(found))
            row = f"{mean[0]:+.2f} | {error[0]:.2f} | {mean[1]:+.2f} | {error[1]:.2f}"
            print(f"| {name} | {classes} classes | {shrinkage} | {row} |", flush=True)


def features(name: str, archives: Path, weights: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features (N, C) of the classes that the folders leave out, and their classes (N,)."""
    archive, step, size = SOURCES[name]
    known = _classes(archives / f"{archive}.zip")
    rest = {each: known[each] for each in sorted(set(known) - set(sorted(known)[::step][:20]))}
    half = [0.5, 0.5, 0.5]
    settings = ModelSettings(
        trunk="mobilenetv2_100",
        weights=str(weights),
        trunk_options={"pad_type": "same"},
        head={"name": "linear", "dim": None, "pooling": "avg"},
        size=size,
        resize=None,
        mean=half,
        std=half,
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), archives / f"{archive}.zip", rest)
        pictures = sorted(Path(folder).rglob("*.jpg"))
        vectors = build_embedder(settings).encode([str(each) for each in pictures], normalize=False)
        return vectors, np.unique([each.parent.name for each in pictures], return_inverse=True)[1]


def scores(vectors: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """P@1 and MAP@R in percent."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = evaluate(
        directions, labels, ks=(1,), clustering=False, diagnosis=False, intervals=False, whole_gallery=False
    )
    return 100 * float(found["precision_at_1"]), 100 * float(found["map_at_r"])


if __name__ == "__main__":
    main()
