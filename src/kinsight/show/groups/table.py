"""The groups of a run as plain text, for a terminal; fractions in percent with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kinsight.evaluation.statistics import Interval
from kinsight.show.groups.result import GroupsResult
from kinsight.show.table import aligned


def groups_table(found: GroupsResult) -> str:
    """What the groups find together and each alone, what each falls on, and how alike it is to the others."""
    known = not isinstance(found.parts, str)
    head = [f"{len(found.ids)} pictures", "R@1", "MAP@R", *(["falls on most"] if known else [])]
    head += ["cosine to others", "overlap with others"]
    rows = [["all groups", *_retrieval(found.whole), *([""] if known else []), "", ""]]
    for number in range(found.groups.count):
        favourite = found.favourite(number)
        part = [] if favourite is None else [f"{favourite[0]} {100 * favourite[1]:.1f} %"]
        alike = [f"{found.mean_similarity(number):+.3f}", f"{found.mean_overlap(number):.3f}"]
        rows.append([f"group {number}", *_retrieval(found.alone[number]), *part, *alike])
    notes = [f"pictures: {found.drawn_from}"] * bool(found.drawn_from) + [found.alone_in_class] * bool(
        found.alone_in_class
    )
    return "\n".join([aligned([head, *rows]), *notes, "", _below(found)])


def percent(interval: Interval) -> str:
    """`42.1 [40.0, 44.2] %`, without the ends where they are not known."""
    ends = "" if math.isnan(interval.low) else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return f"{100 * interval.mean:.1f}{ends} %"


def interval_of(metrics: Mapping[str, float], key: str) -> Interval:
    """A metric with the ends of its interval, NaN where they were not measured."""
    return Interval(metrics[key], *(metrics.get(f"{key}_{end}", math.nan) for end in ("low", "high")))


def _retrieval(metrics: Mapping[str, float]) -> list[str]:
    return [percent(interval_of(metrics, key)) for key in ("recall_at_1", "map_at_r")]


def _below(found: GroupsResult) -> str:
    if isinstance(found.parts, str):
        return f"Parts were not measured: {found.parts}."
    lines = [
        f"groups on at least {count} different parts: {percent(interval)} of {found.measured}"
        for count, interval in found.distinct().items()
    ]
    return "\n".join(lines)
