"""A record of everything in an evaluation that moves a number."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from kinsight.evaluation import clustering, diagnosis, metrics, statistics
from kinsight.evaluation.query_gallery import Items
from kinsight.files import digest


def protocol(
    items: Items, *, ks: tuple[int, ...], dimension: int, clusters: bool, intervals: bool, whole: bool, seed: int
) -> dict[str, Any]:
    """What was measured and how; two evaluations with equal protocols may be compared. Ready for JSON.

    Args:
        items: who searches whom.
        dimension: D of the embeddings.
        clusters, intervals, whole: which optional parts ran: k-means, resampling, ranks in the whole gallery.
    """
    return {
        "definitions": metrics.DEFINITIONS,
        "similarity": "cosine of the embeddings (float64 products rounded to float32)",
        "ties": "lower row first",
        "self": "a picture never finds itself, by row, not by first place",
        "excluded": items.reasons,
        "queries_without_positives": "skipped and counted",
        "averages": "over queries",
        "ks": list(ks),
        "dimension": dimension,
        "whole_gallery_ranks": whole,
        "queries": len(items.queries),
        "skipped_queries": items.skipped,
        "gallery": len(items.gallery),
        "queries_are_gallery": items.symmetric,
        "classes": items.classes,
        "hubness_k": diagnosis.HUBNESS_K,
        "clustering": {
            "method": "faiss k-means, all vectors, one start for each seed",
            "clusters": items.classes,
            "iterations": clustering.ITERATIONS,
            "seeds": [seed + start for start in range(clustering.SEEDS)],
            "items": "queries and gallery",
        }
        if clusters
        else None,
        "intervals": {
            "method": "percentile bootstrap: classes, then queries within them",
            "level": statistics.LEVEL,
            "resamples": statistics.RESAMPLES,
            "seed": seed,
        }
        if intervals
        else None,
        "labels_digest": digest(items.labels.astype(np.int64)),
        "selection_digest": digest(items.queries, items.gallery, *(group for group in items.groups)),
        "versions": {
            name: _version(name) for name in ("kinsight", "torch", "faiss-cpu", "numpy", "scikit-learn", "scipy")
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
