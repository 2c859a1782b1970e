"""Hits that save themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinsight.retrieval.hits import Found
from kinsight.show.hits.files import write_hits


@dataclass(frozen=True, eq=False)
class ShownHits(Found):
    """The hits of a search, best first; `Index.search` gives them."""

    def save(self, path: str | Path) -> Path:
        """Write them as the suffix of `path` says: `.html` a page, `.json` for other programs.

        Raises:
            KinsightError: another suffix, or the file cannot be written.
        """
        return write_hits(path, self)
