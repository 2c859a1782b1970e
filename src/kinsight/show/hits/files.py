"""Hits as files: the page, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.regions import Region
from kinsight.files import write_json, write_text
from kinsight.retrieval.hits import Found
from kinsight.show.hits.page import hits_html


def check_kind(path: str | Path) -> str:
    """The suffix of a path, if hits can be written so.

    Raises:
        KinsightError: they cannot.
    """
    kind = Path(path).suffix.lower()
    if kind not in (".html", ".json"):
        raise KinsightError(
            f"{Path(path).name!r} ends in no known kind of file; write .html (a page) or .json (for other programs)"
        )
    return kind


def write_hits(path: str | Path, found: Found) -> Path:
    """Write hits as the suffix of the path says.

    Raises:
        KinsightError: another suffix, or the file cannot be written.
    """
    if check_kind(path) == ".html":
        write_text(path, hits_html(found))
    else:
        write_json(path, hits_plain(found))
    return Path(path)


def hits_plain(found: Found) -> dict[str, Any]:
    """Hits as plain values; boxes are left, top, right, bottom in pixels of the upright picture."""
    return {
        "query": found.query.name,
        "regions": [_plain_region(region) for region in found.regions],
        "where": found.where,
        "index": found.index,
        "by": found.by,
        "exact": found.exact,
        "searched": found.searched,
        "held": found.held,
        "hits": [
            {
                "rank": rank,
                "id": hit.id,
                "path": hit.path,
                "score": hit.score,
                "answer": None if hit.answer is None else [round(side, 2) for side in hit.answer],
                "box": hit.box,
                "columns": dict(hit.columns),
                **({"problem": hit.problem} if hit.problem else {}),
            }
            for rank, hit in enumerate(found, start=1)
        ],
    }


def _plain_region(region: Region) -> dict[str, Any]:
    if isinstance(region.where, np.ndarray):
        return {"mask": list(region.where.shape), "weight": region.weight}
    return {"box": list(region.where), "weight": region.weight}
