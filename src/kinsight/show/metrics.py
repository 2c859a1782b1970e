"""The metrics of an evaluation for a reader: their titles and order, which are fractions, which describe the space."""

from __future__ import annotations

from collections.abc import Iterable

from kinsight.errors import KinsightError
from kinsight.evaluation import METRICS, Metric, describe

# What leads when several are there: the one number that looks at the whole ranking, then the one everybody knows.
HEADLINES = ("map_at_r", "precision_at_1", "recall_at_1")

# Numbers of the space itself; the report gives each a sentence instead of a row.
DIAGNOSIS = (
    "effective_dimensions_",
    "spectrum_decay",
    "intra_class_distance",
    "inter_class_distance",
    "hubness",
    "antihubs",
)

COUNTS = ("queries", "gallery", "classes", "skipped_queries")

ENDS = ("_low", "_high", "_sd")


def ordered(keys: Iterable[str]) -> list[str]:
    """Metrics without the ends of their intervals: headlines first, then in the order of METRICS, recalls by their k."""
    keys = list(keys)
    places = {key: place for place, key in enumerate(dict.fromkeys([*HEADLINES, *METRICS]))}

    def place(key: str) -> tuple[int, int]:
        k = key.removeprefix("recall_at_")
        if k.isdecimal():
            return (places["recall_at_1"], int(k))
        k = key.removeprefix("precision_at_")
        return (places["precision_at_1"], int(k)) if k.isdecimal() else (places.get(key, len(places)), 0)

    named = [key for key in keys if not any(key.endswith(end) and key.removesuffix(end) in keys for end in ENDS)]
    return sorted(named, key=place)


def described(key: str) -> Metric | None:
    """What the evaluation says of a metric; nothing for one that it does not know (from an older or newer version)."""
    try:
        return describe(key)
    except KinsightError:
        return None


def title_of(key: str) -> str:
    """The readable name of a metric, or its key in words."""
    metric = described(key)
    return key.replace("_", " ") if metric is None else metric.title


def is_fraction(key: str) -> bool:
    """Whether the number is a fraction, to be shown in percent as a measure of ranking or clustering."""
    return key not in COUNTS and not is_diagnosis(key)


def least_of(key: str) -> float:
    """The least that a fraction can be: AMI is negative where clusters agree with the classes less than chance."""
    return -1.0 if key == "ami" else 0.0


def is_diagnosis(key: str) -> bool:
    """Whether the number describes the space and not how well it ranks."""
    return key.startswith(DIAGNOSIS)
