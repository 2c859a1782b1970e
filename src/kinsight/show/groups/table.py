"""The groups of a run as plain text, for a terminal; fractions in percent with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

from kinsight.evaluation.estimate import DECIMALS, PERCENT, Estimate
from kinsight.show.groups.result import GroupsResult
from kinsight.show.table import aligned, with_note


def groups_table(found: GroupsResult) -> str:
    """What the groups find together and each alone, what each falls on, and how alike it is to the others."""
    known = not isinstance(found.parts, str)
    head = [f"{len(found.ids)} pictures", "R@1", "MAP@R", *(["falls on most"] if known else [])]
    head += ["cosine to others", "overlap with others"]
    rows = [["all groups", *_retrieval(found.whole), *([""] if known else []), "", ""]]
    for number in range(found.groups.count):
        favourite = found.favourite(number)
        part = [] if favourite is None else [f"{favourite[0]} {PERCENT(favourite[1])} %"]
        alike = [DECIMALS(found.mean_similarity(number), signed=True), DECIMALS(found.mean_overlap(number))]
        rows.append([f"group {number}", *_retrieval(found.alone[number]), *part, *alike])
    notes = [f"pictures: {found.drawn_from}"] * bool(found.drawn_from) + [found.alone_in_class] * bool(
        found.alone_in_class
    )
    return with_note("\n".join([aligned([head, *rows]), *notes, "", _below(found)]))


def _retrieval(metrics: Mapping[str, float]) -> list[str]:
    return [Estimate.of(metrics, key).text(unit="%") for key in ("recall_at_1", "map_at_r")]


def _below(found: GroupsResult) -> str:
    if isinstance(found.parts, str):
        return f"Parts were not measured: {found.parts}."
    lines = [
        f"groups on at least {count} different parts: {share.text(unit='%')} of {found.measured}"
        for count, share in found.distinct().items()
    ]
    return "\n".join(lines)
