"""A record of everything in an evaluation that moves a number; each fact says which numbers it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from kinsight.evaluation import clustering, diagnosis, metrics, statistics
from kinsight.evaluation.query_gallery import QueryGallery
from kinsight.files import digest
from kinsight.typed import MORE


def moves(*metrics: str, words: str = "") -> dict[str, Any]:
    """What a fact says of itself: it moves these metrics alone (a fact that says nothing moves all), and what to call it in a sentence."""
    return {"moves": metrics, "words": words}


NOTHING = moves()


@dataclass(frozen=True)
class ClusteringProtocol:
    """How k-means ran."""

    method: str | None = None
    clusters: int | None = field(default=None, metadata=NOTHING)  # as many as classes
    iterations: int | None = None
    seeds: list[int] | None = None
    items: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """What was measured and how. What this version does not know, in `more`, counts as moving every number."""

    classes: int | None = None
    queries: int | None = None
    gallery: int | None = None
    definitions: int | None = None
    similarity: str | None = None
    ties: str | None = None
    itself: str | None = None
    excluded: list[str] | None = None
    queries_without_positives: str | None = None
    averages: str | None = None
    ks: list[int] | None = field(default=None, metadata=NOTHING)
    dimension: int | None = field(default=None, metadata=NOTHING)
    whole_gallery_ranks: bool | None = field(default=None, metadata=moves("map", "mrr"))
    skipped_queries: int | None = None
    queries_are_gallery: bool | None = None
    hubness_k: int | None = field(default=None, metadata=moves("hubness", "antihubs"))
    clustering: ClusteringProtocol | None = field(default=None, metadata=moves("nmi", "ami", "f1"))
    intervals: dict[str, Any] | None = field(default=None, metadata=NOTHING)
    labels_digest: str | None = field(default=None, metadata={"words": "the digest of the evaluated labels"})
    selection_digest: str | None = field(default=None, metadata={"words": "the digest of who searches whom"})
    versions: dict[str, Any] | None = field(default=None, metadata=NOTHING)
    more: dict[str, Any] = field(default_factory=dict)

    def facts_behind(self, wanted: set[str]) -> Iterator[tuple[str, Any, str]]:
        """Name, value and words of every fact that moves one of the wanted metrics."""
        return _facts_behind(self, wanted, "")


def _facts_behind(protocol: Any, wanted: set[str], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for each in fields(protocol):
        value = getattr(protocol, each.name)
        if each.name == MORE:
            yield from ((f"{prefix}{name}", other, "") for name, other in value.items() if other is not None)
            continue
        moved = each.metadata.get("moves")
        if moved is not None and wanted.isdisjoint(moved):
            continue
        if is_dataclass(value):
            yield from _facts_behind(value, wanted, f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}", value, each.metadata.get("words", "")


def protocol(
    searched: QueryGallery,
    *,
    ks: tuple[int, ...],
    dimension: int,
    clusters: bool,
    intervals: bool,
    whole: bool,
    seed: int,
) -> Protocol:
    """What was measured and how; two evaluations with equal protocols may be compared.

    Args:
        searched: who searches whom.
        dimension: D of the embeddings.
        clusters, intervals, whole: which optional parts ran: k-means, resampling, ranks in the whole gallery.
    """
    return Protocol(
        classes=searched.classes,
        queries=len(searched.queries),
        gallery=len(searched.gallery),
        definitions=metrics.DEFINITIONS,
        similarity="cosine of the embeddings (float64 products rounded to float32)",
        ties="lower row first",
        itself="a picture never finds itself, by row, not by first place",
        excluded=list(searched.reasons),
        queries_without_positives="skipped and counted",
        averages="over queries",
        ks=list(ks),
        dimension=dimension,
        whole_gallery_ranks=whole,
        skipped_queries=searched.skipped,
        queries_are_gallery=searched.symmetric,
        hubness_k=diagnosis.HUBNESS_K,
        clustering=ClusteringProtocol(
            method="faiss k-means, all vectors, one start for each seed",
            clusters=searched.classes,
            iterations=clustering.ITERATIONS,
            seeds=[seed + start for start in range(clustering.SEEDS)],
            items="queries and gallery",
        )
        if clusters
        else None,
        intervals={
            "method": "percentile bootstrap: classes, then queries within them",
            "level": statistics.LEVEL,
            "resamples": statistics.RESAMPLES,
            "seed": seed,
        }
        if intervals
        else None,
        labels_digest=digest(searched.labels.astype(np.int64)),
        selection_digest=digest(searched.queries, searched.gallery, *(group for group in searched.groups)),
        versions={
            name: _version(name) for name in ("kinsight", "torch", "faiss-cpu", "numpy", "scikit-learn", "scipy")
        },
    )


@cache  # to look it up anew takes as long as a small evaluation
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
