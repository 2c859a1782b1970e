"""The groups of a run as plain text, for a terminal; fractions in percent with their 95 % intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean

from kinsight.evaluation.estimate import DECIMALS, PERCENT, Estimate
from kinsight.show.groups.conclusion import conclusion
from kinsight.show.groups.result import GroupsResult
from kinsight.show.table import aligned, with_note


def groups_table(found: GroupsResult) -> str:
    """The conclusion, then what the groups find together and each alone, what each falls on, and how alike it is to the others."""
    known = not isinstance(found.parts, str)
    head = [f"{len(found.ids)} pictures", "R@1", "MAP@R", *(["falls on most"] if known else [])]
    head += ["cosine to others", "overlap with others"]
    rows = [["all groups", *_retrieval(found.whole), *([""] if known else []), "", ""]]
    for number in range(found.groups.count):
        favourite = found.favourite(number)
        part = [] if favourite is None else [f"{favourite[0]} {PERCENT(favourite[1])} %"]
        alike = [DECIMALS(found.mean_similarity(number), signed=True), DECIMALS(found.mean_overlap(number))]
        rows.append([f"group {number}", *_retrieval(found.alone[number]), *part, *alike])
    drawn_from = f"pictures: {found.drawn_from}" if found.drawn_from else ""
    notes = [note for note in (drawn_from, found.alone_in_class) if note]
    said = [textwrap.fill(one, 120, subsequent_indent="  ", break_on_hyphens=False) for one in conclusion(found)]
    return with_note("\n".join([*said, "", aligned([head, *rows]), *notes, "", _below(found)]))


def groups_beside_table(found: Sequence[GroupsResult]) -> str:
    """Several runs on the same pictures, a row each."""
    return with_note(
        aligned(
            [
                [f"{len(found[0].ids)} pictures", *beside_titles(found)],
                *([each.run, *beside_cells(each)] for each in found),
            ]
        )
    )


def beside_titles(found: Sequence[GroupsResult]) -> list[str]:
    """What stands in `beside_cells`."""
    known = not any(isinstance(each.parts, str) for each in found)
    titles = ["head", "R@1", "MAP@R", "R@1 of a group alone", "cosine between groups", "overlap", "followed a move"]
    return [*titles, *(["on 2 parts or more"] if known else [])]


def beside_cells(found: GroupsResult) -> list[str]:
    """One run in a row: retrieval of all groups together, means over its groups, parts."""
    numbers = range(found.groups.count)
    alone = fmean(metrics["recall_at_1"] for metrics in found.alone)
    cells = [found.head, *_retrieval(found.whole), f"{PERCENT(alone)} %"]
    cells += [DECIMALS(fmean(found.mean_similarity(one) for one in numbers), signed=True)]
    cells += [DECIMALS(fmean(found.mean_overlap(one) for one in numbers))]
    if found.moved is None:
        cells.append("-")
    else:
        times, of = (sum(each) for each in zip(*map(found.moved.followed, numbers), strict=True))
        cells.append(f"{times} of {of}")
    return [*cells, *(share.text(unit="%") for count, share in found.distinct().items() if count == 2)]


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
