"""Pairs as files: a page, a figure, or arrays, as the suffix says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.pair import Pair, Side
from kinsight.explanation.view import View
from kinsight.files import write_npz
from kinsight.show.pair.figure import write_pair_figure
from kinsight.show.pair.page import check_names, write_pair_page


def write_pair(
    path: str | Path, pairs: Pair | Sequence[Pair], *, title: str | None = None, names: Sequence[str] | None = None
) -> list[Path]:
    """Write pairs as the suffix of `path` says: `.html` the page, `.png` the still figure, `.npz` the arrays.

    A page holds any number of pairs. A figure or an array file holds one: of several pairs each gets its own, numbered by rank
    (`pair-1.png`, `pair-2.png`) or after its name (`pair-group-0.png`).

    Args:
        names: what each pair is called, such as `group 0`; without them several pairs are matches 1, 2, ...

    Returns:
        The files that were written.

    Raises:
        KinsightError: another suffix, no pair, names that are not one for each, or the files cannot be written.
    """
    path = Path(path)
    shown = [pairs] if isinstance(pairs, Pair) else list(pairs)
    kind = check_kind(path)
    if not shown:
        raise KinsightError("no pair was given, so there is nothing to write; give at least one")
    if kind == ".html":
        return [write_pair_page(path, shown, title=title, names=names)]
    check_names(shown, names)
    ends = [name.replace(" ", "-") for name in names] if names else range(1, len(shown) + 1)
    paths = [path] if len(shown) == 1 else [path.with_stem(f"{path.stem}-{end}") for end in ends]
    for one, pair in zip(paths, shown, strict=True):
        (write_pair_figure if kind == ".png" else write_pair_arrays)(one, pair)
    return paths


def check_kind(path: str | Path) -> str:
    """The suffix of a path, if it names a kind of file that pairs can be written as.

    Raises:
        KinsightError: it does not.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".html", ".png", ".npz"):
        raise KinsightError(
            f"{path.name!r} ends in no known kind of file; write .html (the page), .png (a figure) or .npz (the arrays)"
        )
    return kind


def write_pair_arrays(path: str | Path, pair: Pair) -> Path:
    """Write an `.npz` without pickle.

    `tensor (h, w, h', w')`; `query_overall` and `query_overall_with_bias (h, w)`, the same of `other`; `terms (4,)` and `term_names`;
    `similarity`, `completeness_error`, `affinity_error`; of each side `_name`, `_size` (height and width that the network sees), `_rows`
    and `_columns` (the pixels there at which the places of maps have their centres) and, where known, `_picture` and `_window`. Maps are
    float32, all in units of the similarity.
    """
    arrays: dict[str, Any] = {
        "tensor": pair.tensor.astype(np.float32),
        "terms": np.array(pair.terms),
        "term_names": np.array(pair.terms._fields),
        "similarity": np.array(pair.similarity),
        "completeness_error": np.array(pair.completeness_error),
        "affinity_error": np.array(pair.affinity_error),
    }
    views: dict[Side, View] = {"query": pair.query, "other": pair.other}
    for side, view in views.items():
        arrays[f"{side}_overall"] = pair.overall(side).astype(np.float32)
        arrays[f"{side}_overall_with_bias"] = pair.overall(side, bias=True).astype(np.float32)
        arrays[f"{side}_name"] = np.array(view.name)
        arrays[f"{side}_size"] = np.array(view.size)
        arrays[f"{side}_rows"], arrays[f"{side}_columns"] = view.drawn_at.rows.centres, view.drawn_at.columns.centres
        if view.picture is not None:
            arrays[f"{side}_picture"] = view.picture
        if view.window is not None:
            arrays[f"{side}_window"] = np.array(view.window)
    write_npz(path, arrays)
    return Path(path)
