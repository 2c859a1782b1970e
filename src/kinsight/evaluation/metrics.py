"""What each number of an evaluation means, so that a report can show the definition beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kinsight.errors import KinsightError

DEFINITIONS = 1  # raised whenever a definition changes, so that numbers are never compared across the change


@dataclass(frozen=True)
class Metric:
    """A number of an evaluation.

    Attributes:
        name: its key.
        title: what stands above its column.
        definition: one sentence.
        higher_is_better: None where neither direction is better.
        ranking: an average over queries, so it has an interval and per-query values.
    """

    name: str
    title: str
    definition: str
    higher_is_better: bool | None
    ranking: bool = False


def _recall(k: int) -> Metric:
    definition = f"Share of queries with a picture of their own class among the first {k} neighbours."
    return Metric(f"recall_at_{k}", f"R@{k}", definition, True, ranking=True)


def _precision(k: int) -> Metric:
    definition = f"Share of pictures of the query's class among its first {k} neighbours; averaged over queries."
    return Metric(f"precision_at_{k}", f"P@{k}", definition, True, ranking=True)


def _recall_percent(percent: int) -> Metric:
    definition = (
        f"Share of queries with a picture of their own class among the first {percent} % of the gallery, rounded up."
    )
    return Metric(f"recall_at_{percent}_percent", f"R@{percent} %", definition, True, ranking=True)


_RANKING = [
    *(_recall(k) for k in (1, 2, 4, 8, 10, 16, 20, 30, 32, 100, 1000)),
    _recall_percent(1),
    Metric(
        "precision_at_1",
        "P@1",
        "Share of queries whose nearest neighbour has their class; the same as R@1.",
        True,
        True,
    ),
    Metric(
        "r_precision",
        "R-Precision",
        "Share of pictures of the query's class among its first R neighbours, R the number of such pictures in the gallery; "
        "averaged over queries.",
        True,
        True,
    ),
    Metric(
        "map_at_r",
        "MAP@R",
        "Precision at each hit among the first R neighbours, summed and divided by R, the number of pictures of the query's class in the "
        "gallery; averaged over queries.",
        True,
        True,
    ),
    Metric(
        "map",
        "mAP",
        "Precision at each picture of the query's class over the whole gallery, averaged over them and over queries.",
        True,
        True,
    ),
    Metric(
        "mrr",
        "MRR",
        "One divided by the rank of the first picture of the query's class; averaged over queries.",
        True,
        True,
    ),
    Metric(
        "map_hits",
        "mAP (hits)",
        "As MAP@R but divided by the number of hits instead of R: printed as mARP by Divide and Conquer, for comparison with its "
        "tables alone.",
        True,
        True,
    ),
    Metric(
        "map_n",
        "mAP (n)",
        "Precision at each hit among the first R + 1 neighbours, summed and divided by R + 1: printed as mAP by Attentive Grouping, "
        "for comparison with its tables alone; perfect retrieval stays below 1.",
        True,
        True,
    ),
]

_OTHERS = [
    Metric(
        "nmi",
        "NMI",
        "Normalized mutual information (arithmetic mean) of the classes with as many k-means clusters, averaged over starts; "
        "rises with the number of classes even by chance.",
        True,
    ),
    Metric(
        "ami",
        "AMI",
        "Mutual information of classes and k-means clusters adjusted for chance, averaged over starts.",
        True,
    ),
    Metric(
        "f1", "F1", "F1 over pairs of pictures: same class against same k-means cluster, averaged over starts.", True
    ),
    *(
        Metric(
            f"effective_dimensions_{percent}",
            f"ED {percent} %",
            f"Principal components that hold {percent} % of the variance of the embeddings.",
            None,
        )
        for percent in (90, 95, 99)
    ),
    Metric(
        "spectrum_decay",
        "Spectrum decay",
        "Kullback-Leibler divergence (nats) of the normalized singular values of the centred embeddings from a flat spectrum; 0 when all "
        "directions are used alike.",
        None,
    ),
    Metric(
        "intra_class_distance",
        "Intra-class",
        "Mean squared distance of unit embeddings over all pairs of one class.",
        False,
    ),
    Metric(
        "inter_class_distance",
        "Inter-class",
        "Mean squared distance of unit embeddings over all pairs of two classes.",
        True,
    ),
    Metric(
        "hubness",
        "Hubness",
        "Skewness of how often a gallery picture is among the first 10 neighbours of a query.",
        False,
    ),
    Metric(
        "antihubs",
        "Antihubs",
        "Share of gallery pictures that are among the first 10 neighbours of no query.",
        False,
    ),
    Metric("queries", "Queries", "Number of evaluated queries.", None),
    Metric("gallery", "Gallery", "Number of gallery pictures.", None),
    Metric("classes", "Classes", "Number of classes among the evaluated queries and the gallery.", None),
    Metric(
        "skipped_queries",
        "Skipped",
        "Queries without any picture of their class to find in the gallery; they count neither 0 nor 1.",
        None,
    ),
]

METRICS: dict[str, Metric] = {metric.name: metric for metric in [*_RANKING, *_OTHERS]}

_SUFFIXES = {
    "low": "lower end of the 95 % interval",
    "high": "upper end of the 95 % interval",
    "sd": "standard deviation over starts",
}


def describe(name: str) -> Metric:
    """The metric behind any key of an evaluation, also R@k, R@k % and P@k of any k, and ends of intervals (`map_at_r_low`).

    Raises:
        KinsightError: no evaluation has that key.
    """
    if name in METRICS:
        return METRICS[name]
    if match := re.fullmatch(r"recall_at_(\d+)", name):
        return _recall(int(match[1]))
    if match := re.fullmatch(r"recall_at_(\d+)_percent", name):
        return _recall_percent(int(match[1]))
    if match := re.fullmatch(r"precision_at_(\d+)", name):
        return _precision(int(match[1]))
    base, _, suffix = name.rpartition("_")
    if suffix in _SUFFIXES and base:
        metric = describe(base)
        what = _SUFFIXES[suffix]
        better = metric.higher_is_better if suffix != "sd" else None
        return replace(
            metric,
            name=name,
            title=f"{metric.title} ({suffix})",
            definition=f"{what[0].upper()}{what[1:]} of {metric.title}. {metric.definition}",
            higher_is_better=better,
            ranking=False,
        )
    raise KinsightError(f"metric {name!r} is not known; known are {', '.join(METRICS)}")
