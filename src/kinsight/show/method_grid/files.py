"""The grid of pictures and methods as a file: a page or a figure, as the suffix says."""

from __future__ import annotations

from pathlib import Path

from kinsight.errors import KinsightError
from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.files import write_text
from kinsight.show.method_grid.page import method_grid_html


def write_method_grid(path: str | Path, found: MethodMaps) -> None:
    """Write a page `.html` or a figure `.png`.

    Raises:
        KinsightError: another ending, or the file cannot be written.
    """
    if check_grid_format(path) == ".html":
        write_text(path, method_grid_html(found))
    else:
        from kinsight.show.method_grid.figure import write_method_grid_figure  # matplotlib takes long to import

        write_method_grid_figure(path, found)


def check_grid_format(path: str | Path) -> str:
    """The suffix of a path, if a grid can be written as that.

    Raises:
        KinsightError: it cannot.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".html", ".png"):
        raise KinsightError(f"{Path(path).name!r} is no page or figure; a grid of methods ends in .html or .png")
    return suffix
