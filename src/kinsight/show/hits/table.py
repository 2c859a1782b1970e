"""Hits for a terminal."""

from __future__ import annotations

from pathlib import PurePath

from kinsight.retrieval.hits import Found, Hit
from kinsight.show.table import aligned

_COLUMNS = 4  # of the user's, so that lines stay short
_WIDEST = 40  # characters of a cell


def hits_table(found: Found) -> str:
    """What was asked, and a line for each hit: score, the box that answers, and what the index knows of it."""
    names = list(dict.fromkeys(name for hit in found for name in hit.columns))[:_COLUMNS]
    shown = any(hit.view is not None for hit in found)
    head = ["", "score", "picture", *(["answers at"] if shown else []), *map(_short, names)]
    rows = [head]
    for rank, hit in enumerate(found, start=1):
        columns = [_short("" if hit.columns.get(name) is None else str(hit.columns[name])) for name in names]
        rows.append([str(rank), f"{hit.score:+.4f}", _short(hit.id), *([box_words(hit)] if shown else []), *columns])
    problems = [f"{hit.id}: {hit.problem}" for hit in found if hit.problem]
    return "\n".join([question(found), "", aligned(rows) if len(found) else "nothing was found", *problems])


def question(found: Found) -> str:
    """What was searched with, and among what."""
    counted = [region for region in found.regions if region.weight > 0]
    left_out = len(found.regions) - len(counted)
    with_ = f"{len(counted)} region{'s' * (len(counted) > 1)} of " if counted else ""
    without = f" without {left_out} region{'s' * (left_out > 1)}" if left_out else ""
    of = f" of {found.held:,}" if found.searched != found.held else ""
    where = f" where {found.where}" if found.where else ""
    where += "" if found.exact else ", approximately"
    places = "the best places of " if found.by == "places" else ""
    anew = ", the first ones ordered anew by their best places" if found.by == "answers" else ""
    name = PurePath(found.query.name).name or "a picture"
    return f"{with_}{name}{without} against {places}{found.searched:,}{of} pictures{where}{anew}"


def box_words(hit: Hit) -> str:
    """The box that answers, as it can be given as a region again."""
    if hit.answer is None:
        return "-"
    return ",".join(f"{side:.0f}" for side in hit.answer)


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"...{text[3 - _WIDEST :]}"
