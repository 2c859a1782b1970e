"""kinsight.faithfulness: whether what maps call important is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.api.columns import columns_of
from kinsight.api.numbers import require_whole
from kinsight.api.opened_run import open_run, require_page, result_name
from kinsight.evaluation.neighbours import neighbours
from kinsight.explanation.measuring import faithfulness as measuring
from kinsight.explanation.measuring.faithfulness import Faithfulness
from kinsight.explanation.measuring.method_maps import maps_of_pairs
from kinsight.explanation.measuring.sanity import sanity_check
from kinsight.explanation.methods import USUAL
from kinsight.files import write_text
from kinsight.show.maps.faithfulness import faithfulness_html, shown_pairs


def faithfulness(
    run: str | Path,
    *,
    methods: str | Sequence[str] = USUAL,
    split: str = "test",
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    stage: int = 0,
    pairs: int = 64,
    replacement: str = "blurred",
    sanity: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
) -> Faithfulness:
    """Deletion and insertion curves of queries against their best matches; with `sanity` also maps of randomised weights.

    Writes `maps/faithfulness-SPLIT.json`.

    Args:
        pairs: how many queries, drawn from the seed.
        replacement: blurred or grey; the rest as for `localize`.
        out: a page `.html` to write as well: the conclusion, and the curves, and maps of a few pairs.

    Raises:
        KinsightError: there is no run, or what was given is not known.
    """
    require_whole(2, pairs=pairs)  # fewer have no interval
    if out is not None:
        require_page(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    subject = open_run(run, data=data, split=split, split_by=split_by, stage=stage, seed=seed, columns=columns)
    queries = np.arange(len(subject.table))
    if pairs < len(queries):
        queries = np.sort(np.random.default_rng(seed).choice(queries, pairs, replace=False))
    vectors = subject.model.encode(subject.pictures)
    partners = neighbours(vectors, k=1).indices[queries, 0]
    given: dict[str, Any] = {"labels": subject.labels, "methods": methods, "seed": seed}
    drawn = np.stack([queries, partners], axis=1)
    found = measuring.faithfulness(subject.explainer, subject.pictures, drawn, replacement=replacement, **given)
    if sanity:
        found = replace(found, sanity=sanity_check(subject.explainer, subject.pictures, drawn, **given))
    subject.write(result_name("faithfulness", split, stage), found.to_dict())
    if out is not None:
        shown = drawn[shown_pairs(found)]  # (n, 2)
        maps = maps_of_pairs(subject.explainer, subject.pictures, shown, methods=next(iter(found.curves["deletion"])))
        partners_of = [subject.pictures[row] for row in shown[:, 1]]
        record = subject.record(replacement=replacement)
        write_text(out, faithfulness_html(found, maps, partners_of, record=record))
    return found
