"""The same numbers as pytorch-metric-learning where it defines the same things."""

import csv
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

from kinsight.evaluation import evaluate
from kinsight.evaluation.clustering import ami, kmeans, nmi
from shared_data import shared

THEIRS = {
    "precision_at_1": "precision_at_1",
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
    "map": "mean_average_precision",
    "mrr": "mean_reciprocal_rank",
}
BARE = {"clustering": False, "diagnosis": False, "intervals": False}


def compare(vectors, labels, queries=None):
    vectors = torch.nn.functional.normalize(torch.as_tensor(vectors, dtype=torch.float32))
    labels = torch.as_tensor(np.asarray(labels))
    calculator = AccuracyCalculator(include=tuple(THEIRS.values()), k=None, device=torch.device("cpu"))
    if queries is None:
        theirs = calculator.get_accuracy(vectors, labels)
        ours = evaluate(vectors.numpy(), labels.numpy(), **BARE)
    else:
        theirs = calculator.get_accuracy(vectors[queries], labels[queries], vectors[~queries], labels[~queries])
        ours = evaluate(vectors.numpy(), labels.numpy(), queries=queries, gallery=~queries, **BARE)
    for name, peer in THEIRS.items():
        assert ours[name] == pytest.approx(theirs[peer], abs=1e-6), name
    return ours


def clustered(noise, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 40, 400)
    return rng.standard_normal((40, 24))[labels] + noise * rng.standard_normal((400, 24)), labels


@pytest.mark.parametrize("noise", [0.3, 1.0, 100.0])
def test_clustered_and_random_embeddings(noise):
    compare(*clustered(noise))


def test_single_picture_classes():
    vectors, labels = clustered(1.0)
    labels[:30] = np.arange(100, 130)
    assert compare(vectors, labels)["skipped_queries"] >= 30


def test_duplicates_of_one_class():
    vectors, labels = clustered(1.0)
    order = np.argsort(labels, kind="stable")
    vectors, labels = vectors[order], labels[order]
    for label in range(0, 40, 4):
        vectors[np.nonzero(labels == label)[0][:3]] = vectors[np.nonzero(labels == label)[0][0]]
    compare(vectors, labels)


def test_query_and_gallery_apart():
    vectors, labels = clustered(1.0)
    compare(vectors, labels, np.arange(400) % 4 == 0)


def test_clustering_scores_of_the_same_clusters():
    vectors, labels = clustered(1.0)
    clusters = kmeans(vectors.astype(np.float32), 40)
    calculator = AccuracyCalculator(include=("NMI", "AMI"), device=torch.device("cpu"))
    both = {"query_labels": torch.from_numpy(labels), "cluster_labels": torch.from_numpy(clusters)}
    assert nmi(labels, clusters) == pytest.approx(calculator.calculate_NMI(**both), abs=1e-9)
    assert ami(labels, clusters) == pytest.approx(calculator.calculate_AMI(**both), abs=1e-9)


def test_pixels_of_real_faces():
    with zipfile.ZipFile(shared("data/orl_faces.zip")) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("orl_faces/metadata.csv"), "utf-8")))
        faces = [Image.open(archive.open(f"orl_faces/{row['path']}")).convert("L").resize((14, 16)) for row in rows]
    vectors = np.stack([np.asarray(face, np.float32).reshape(-1) for face in faces])
    found = compare(vectors - vectors.mean(axis=0), np.array([int(row["label"]) for row in rows]))
    assert found["queries"] == 400
    assert 0.9 < found["precision_at_1"] < 1
