"""Real weights on real photographs: the trunk computes what it was trained to compute."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from kinsight.models import Embedder, ModelSettings, build_embedder
from shared_data import shared

IMAGENET = "weights/mobilenetv2_100_imagenet1k.safetensors"
BIRDS = "weights/mobilenetv2_100_inat_birds965.safetensors"


def mobilenet(weights: Path | None, size: int = 224, resize: int | None = 256) -> Embedder:
    """The pooled 1280 features, without a learned head."""
    settings = ModelSettings(
        trunk="mobilenetv2_100",
        weights=str(weights) if weights else None,
        trunk_options={"pad_type": "same"},
        head={"name": "linear", "dim": None},
        size=size,
        resize=resize,
        mean=[0.5] * 3,
        std=[0.5] * 3,
    )
    return build_embedder(settings, seed=0)


def rows_of(archive: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(archive) as stored:
        text = io.TextIOWrapper(stored.open(f"{archive.stem}/metadata.csv"), "utf-8")
        return list(csv.DictReader(text))


def precision_at_1(vectors: np.ndarray, labels: np.ndarray) -> float:
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return float((labels[similarity.argmax(axis=1)] == labels).mean())


@pytest.mark.long
def test_photographs_are_what_the_classifier_says():
    """The file's own classifier on our pooled features names all six photographs that show an ImageNet class."""
    archive, weights = shared("data/named_photos.zip"), shared(IMAGENET)
    known = [row for row in rows_of(archive) if row["imagenet_index"]]
    pooled = mobilenet(weights).encode([f"{archive}/named_photos/{row['path']}" for row in known], normalize=False)
    assert pooled.min() >= 0  # after ReLU6
    assert pooled.max() <= 6
    stored = load_file(weights)
    scores = pooled @ stored["classifier.weight"].float().numpy().T + stored["classifier.bias"].float().numpy()
    assert scores.argmax(axis=1).tolist() == [int(row["imagenet_index"]) for row in known]


@pytest.mark.long
@pytest.mark.parametrize("weights", [IMAGENET, BIRDS])
def test_faces_of_one_person_are_nearer_than_those_of_others(weights: str):
    archive = shared("data/orl_faces.zip")
    rows = rows_of(archive)[:60]
    vectors = mobilenet(shared(weights), size=96, resize=None).encode(
        [f"{archive}/orl_faces/{row['path']}" for row in rows]
    )
    labels = np.array([row["label"] for row in rows])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similarity = vectors @ vectors.T
    same = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, False)
    assert similarity[same].mean() > similarity[labels[:, None] != labels[None, :]].mean() + 0.05


@pytest.mark.long
def test_real_weights_matter():
    """200 cars of 10 models: pooled ImageNet features find the same model far more often than random ones do."""
    archive, weights = shared("data/cars196_crops.zip"), shared(IMAGENET)
    rows = rows_of(archive)[:200]
    labels = np.array([row["label"] for row in rows])
    paths = [f"{archive}/cars196_crops/{row['path']}" for row in rows]
    trained, random = (
        precision_at_1(mobilenet(source, size=96, resize=None).encode(paths, batch_size=50), labels)
        for source in (weights, None)
    )
    assert trained > random + 0.15
    assert trained > 0.35
