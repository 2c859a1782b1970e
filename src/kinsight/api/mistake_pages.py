"""A page for each of the worst mistakes of an evaluation, which its report opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Pair, View
from kinsight.models import Model, TwoStreams
from kinsight.runs.folder import RunFolder
from kinsight.runs.ranking import Ranking
from kinsight.show.pair.page import write_pair_page
from kinsight.show.report.queries import worst_queries

Viewing = Callable[[list[str]], list[View]]
NEIGHBOURS = 3  # on a page: the wrong first one, and what came after it


def write_mistake_pages(folder: RunFolder, name: str, model: Model, count: int, query_view: str | None = None) -> None:
    """Write `pairs/NAME-QUERY.html` for the worst mistakes: the query explained with its first neighbours.

    Pages of an earlier evaluation of that name are removed. A model that cannot be opened, or a picture that has moved, leaves its page
    out: the numbers do not depend on it.

    Args:
        query_view: of a model of two streams: the view that searches; None: the first one.
    """
    for old in folder.mistake_pages(name).values():
        old.unlink()
    ranking = folder.evaluations.ranking(name)
    if ranking is None:
        return
    views_of = _viewing(model, query_view)
    for query in worst_queries(ranking, count):
        if ranking.precision_at_1[query] == 0:
            _write(folder, name, ranking, query, views_of)


def _viewing(model: Model, query_view: str | None) -> Viewing:
    """What makes the views of a query, the first, and of its neighbours."""
    if not isinstance(model, TwoStreams):
        return Explainer(model, stage="auto").views
    asks = query_view or model.names[0]
    answers = next(name for name in model.names if name != asks)
    one, other = (Explainer(model.stream(name), stage="auto") for name in (asks, answers))
    return lambda paths: [*one.views(paths[:1]), *other.views(paths[1:])]


def _write(folder: RunFolder, name: str, ranking: Ranking, query: int, views_of: Viewing) -> None:
    asked, found = int(ranking.query_rows[query]), ranking.neighbours[query]
    rows = [asked, *found[found >= 0][:NEIGHBOURS].tolist()]
    classes = [str(title).replace("_", " ") for title in ranking.titles[rows]]
    try:
        views = views_of([str(path) for path in ranking.paths[rows]])
    except KinsightError:
        return
    first, *others = (replace(view, label=label) for view, label in zip(views, classes, strict=True))
    title = f"Why is this {classes[0]} taken for {classes[1]}?"
    write_pair_page(folder.mistake_page(name, query), [Pair(first, other) for other in others], title=title)
