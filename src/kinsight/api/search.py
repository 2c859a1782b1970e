"""kinsight.search: an index searched with a picture or with parts of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kinsight.api.indexed_model import GivenModel
from kinsight.api.numbers import require_whole
from kinsight.api.opened_index import Given, Index, open_index
from kinsight.explanation.explainer import Picture
from kinsight.explanation.part_query import Bias
from kinsight.explanation.stages import Stage
from kinsight.files import require_writable
from kinsight.show.hits.files import check_kind
from kinsight.show.hits.shown import ShownHits


def search(
    index: Index | str | Path,
    picture: Picture,
    *,
    region: Given = None,
    without: Given = None,
    without_weight: float = 1.0,
    where: str | None = None,
    top: int = 20,
    bias: Bias = "shared",
    answers: bool = True,
    by: Literal["picture", "places"] = "picture",
    rerank: int | None = None,
    approximate: bool = False,
    stream: str | None = None,
    stage: Stage = "auto",
    model: GivenModel | None = None,
    out: str | Path | None = None,
) -> ShownHits:
    """Search an index once; for several searches open it with `kinsight.open_index`, which keeps its vectors in memory.

    Args:
        index: the file, or an open index.
        picture, region, without, without_weight, where, top, bias, answers, by, rerank, approximate, stream: as `Index.search`.
        stage: on which map regions and answers stand, of an open index from now on: how many stages below the model's last one; finer maps
            are exact too. "auto": one below a last map smaller than 7 x 7, or that of the places that the index keeps.
        model: of a file: the model, or its folder, where it is not at the place that the index names.
        out: a page `.html` or `.json` to write as well.

    Raises:
        KinsightError: see `Index.search`, or the page cannot be written.
    """
    require_whole(0, stage=None if stage == "auto" else stage)
    if out is not None:
        check_kind(out)
        require_writable(out)
    opened = index if isinstance(index, Index) else open_index(index, model=model)
    if stage != "auto":
        opened.explainer = opened.known.explainer(stage)
    found = opened.search(
        picture,
        region=region,
        without=without,
        without_weight=without_weight,
        where=where,
        top=top,
        bias=bias,
        answers=answers,
        by=by,
        rerank=rerank,
        approximate=approximate,
        stream=stream,
    )
    if opened is not index:
        opened.close()
    if out is not None:
        found.save(out)
    return found
