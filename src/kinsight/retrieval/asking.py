"""A question put to an index: the nearest pictures, and in each the place that answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, View, part_query
from kinsight.explanation.explainer import Picture
from kinsight.explanation.part_query import Bias, answering_box, own_places, part_vector
from kinsight.explanation.regions import Region
from kinsight.pictures.archive import UnreadableFile
from kinsight.retrieval.file_state import state_of
from kinsight.retrieval.hits import Found, Hit
from kinsight.retrieval.places import PlaceMatrix, place_cosines
from kinsight.retrieval.searched import Searched
from kinsight.retrieval.store import Known

CHANGED = "its file has changed since it was indexed; bring the index up to date"


def ask(
    searched: Searched,
    explainer: Explainer,
    picture: Picture | View,
    regions: Sequence[Region] = (),
    *,
    where: str | None = None,
    top: int = 20,
    bias: Bias = "shared",
    answers: bool = True,
    rerank: int | None = None,
) -> Found:
    """Search an index with a picture or parts of it; the picture's own file is left out.

    Args:
        searched: the pictures of the index; a `PlaceMatrix` ranks by the best place of each instead of by whole embeddings.
        explainer: of the model that it is bound to.
        picture: what is searched with, or its view where it is known already.
        regions: the parts of it that count, and with negative weights must not; none: all of it.
        where: a condition on columns that hits meet.
        top: how many hits.
        bias: see `part_vector`.
        answers: look for the place that answers in each hit, which needs its picture.
        rerank: order so many of the first hits anew by their best places, explained from their pictures; those whose picture cannot be read
            come last, with the score that they had.

    Raises:
        KinsightError: the picture, a region or the condition cannot be used, or the index is empty.
    """
    by_place = isinstance(searched, PlaceMatrix)
    if rerank is not None and (by_place or rerank < top):
        raise KinsightError(
            "rerank orders hits of whole pictures anew, and these are ranked by places already; leave one of the two out"
            if by_place
            else f"rerank is {rerank} and top {top}; order at least as many anew as are shown"
        )
    searched.refresh()
    if not (held := len(searched)):
        raise KinsightError(f"{searched.name} holds no pictures; add some with kinsight index")
    query = picture if isinstance(picture, View) else explainer.views([picture])[0]
    vector = part_vector(query, regions, bias=bias)
    known, scores = _first(searched, vector, where, rerank or top, picture)
    hits = [
        Hit(one.listed.id, one.listed.path, score, one.listed.columns, one.listed.box)
        for one, score in zip(known, scores, strict=True)
    ]
    if answers or rerank is not None:
        hits = answered(explainer, hits, known, vector, bias, by_place=by_place or rerank is not None)
    if rerank is not None:
        hits = _by_answers(hits)[:top]
    by = "places" if by_place else "picture" if rerank is None else "answers"
    return Found(hits, query, regions, vector, searched.count(where), held, where, searched.name, by, searched.exact)


def _first(
    searched: Searched, vector: np.ndarray, where: str | None, top: int, picture: Picture | View
) -> tuple[list[Known], list[float]]:
    """The `top` nearest pictures without the query's own file, and their scores."""
    file = picture.name if isinstance(picture, View) else picture
    own = os.path.realpath(file) if isinstance(file, (str, Path)) and file else None
    extra = 0 if own is None else 1
    while True:
        numbers, scores = searched.find(vector.astype(np.float32), top + extra, where)
        listed = searched.pictures(numbers.tolist())
        found = [
            (listed[number], score)
            for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)
            if number in listed and (own is None or os.path.realpath(listed[number].listed.path) != own)
        ]
        if len(found) >= top or len(numbers) < top + extra:
            return [one for one, _ in found[:top]], [score for _, score in found[:top]]
        extra = 2 * extra + top - len(found)


def answered(
    explainer: Explainer, hits: Sequence[Hit], known: Sequence[Known], vector: np.ndarray, bias: Bias, *, by_place: bool
) -> list[Hit]:
    """The hits with the places that answer; those whose picture cannot be read say why.

    Args:
        by_place: a place answers by its own cosine with the query, whatever its part in the picture's embedding.
    """
    found: list[Hit] = []
    for hit, view in zip(hits, _views(explainer, hits), strict=True):
        if isinstance(view, str):
            found.append(replace(hit, problem=view))
            continue
        if by_place:
            values = place_cosines(vector, own_places(view, bias=bias))
            box = answering_box(values, view, floor=float(values.mean()))
        else:
            values = part_query.answers(vector, view, bias=bias)
            box = answering_box(values, view)
        found.append(replace(hit, answers=values, answer=box, view=view))
    return [
        replace(hit, problem=CHANGED) if hit.view is not None and _changed(one) else hit
        for hit, one in zip(found, known, strict=True)
    ]


def _by_answers(hits: Sequence[Hit]) -> list[Hit]:
    """Ordered by the cosine of the query and each one's best place, which becomes its score."""
    known = [replace(hit, score=float(hit.answers.max())) for hit in hits if hit.answers is not None]
    return sorted(known, key=lambda hit: -hit.score) + [hit for hit in hits if hit.answers is None]


def _views(explainer: Explainer, hits: Sequence[Hit]) -> list[View | str]:
    """All together, or where a picture cannot be read one by one, with the reason in its stead."""
    try:
        return list(explainer.views([hit.path for hit in hits], boxes=[hit.box for hit in hits])) if hits else []
    except UnreadableFile:
        found: list[View | str] = []
        for hit in hits:
            try:
                found += explainer.views([hit.path], boxes=[hit.box])
            except UnreadableFile as problem:
                found.append(f"its picture {problem.reason}")
        return found


def _changed(known: Known) -> bool:
    """Whether a file is another one than when it was indexed."""
    try:
        return state_of(known.listed.path, known.state).digest != known.state.digest
    except UnreadableFile:
        return False
