"""A comparison as a file, in the format that its name says."""

from __future__ import annotations

from pathlib import Path

from kinsight.errors import KinsightError
from kinsight.files import write_json, write_text
from kinsight.show.comparison.page import comparison_html
from kinsight.show.comparison.result import Comparison
from kinsight.show.comparison.table import comparison_csv, comparison_markdown

FORMATS = (".md", ".csv", ".json", ".html")


def write_comparison(path: str | Path, found: Comparison) -> None:
    """Write a file: `.md`, `.csv` (fractions), `.json` (everything) or `.html` (one page that needs nothing else).

    Raises:
        KinsightError: the name has another ending, or the file cannot be written.
    """
    check_format(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        write_json(path, found.to_dict())
    else:
        makers = {".md": comparison_markdown, ".csv": comparison_csv, ".html": comparison_html}
        write_text(path, makers[suffix](found))


def check_format(path: str | Path) -> None:
    """Whether a comparison can be written to a file of that name.

    Raises:
        KinsightError: it cannot.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise KinsightError(f"'{path}' says no known format; end it in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
