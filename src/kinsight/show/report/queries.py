"""Queries and what they find: one row a query, its first neighbours beside it, each marked right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kinsight.runs.ranking import Ranking
from kinsight.show.thumbnails import thumbnail

THUMBNAIL = {"side": 144, "limit": 8_000}


@dataclass(frozen=True)
class Picture:
    """One picture of a row."""

    picture: str
    label: str
    name: str
    score: float | None = None  # the similarity to the query, None for the query itself
    right: bool = True


@dataclass(frozen=True)
class QueryRow:
    """A query, its neighbours best first, its MAP@R, and the page that explains them, relative to the report, where there is one."""

    query: Picture
    neighbours: list[Picture]
    average_precision: float
    page: str = ""


@dataclass(frozen=True)
class Chosen:
    """Queries chosen for one reason."""

    title: str
    note: str
    rows: list[QueryRow]


def chosen_mistakes(
    ranking: Ranking, pages: Mapping[int, str] | None = None, count: int = 6, shown: int = 8
) -> Chosen | None:
    """The worst queries with the first neighbours of each; `pages` are those that explain them, by query."""
    worst = worst_queries(ranking, count)
    if not worst:
        return None
    if not (ranking.precision_at_1[worst] == 0).any():
        note = "No query has a wrong first neighbour; these have the lowest MAP@R."
    else:
        note = "The most confident ones: low MAP@R and a wrong first neighbour, the highest similarity first."
        if pages:
            note += " A tap on a row opens why."
    return Chosen("The worst mistakes", note, rows_of(ranking, worst, shown, pages))


def chosen_queries(ranking: Ranking, count: int = 6, shown: int = 8) -> list[Chosen]:
    """The median and the best queries with the first neighbours of each."""
    chosen = [
        ("Median", "Around the middle of all queries: what to expect.", median_queries(ranking, count)),
        ("Best", "Highest MAP@R, each of another class where there are enough.", best_queries(ranking, count)),
    ]
    return [Chosen(title, note, rows_of(ranking, numbers, shown)) for title, note, numbers in chosen if numbers]


def rows_of(
    ranking: Ranking, queries: Iterable[int], shown: int = 8, pages: Mapping[int, str] | None = None
) -> list[QueryRow]:
    """The rows of query numbers (positions in `query_rows`), with their pictures."""
    found = []
    for query in queries:
        row = int(ranking.query_rows[query])
        neighbours = [
            _picture(ranking, int(other), float(score), ranking.labels[other] == ranking.labels[row])
            for other, score in zip(ranking.neighbours[query, :shown], ranking.scores[query, :shown], strict=True)
            if other >= 0
        ]
        page = (pages or {}).get(query, "")
        found.append(QueryRow(_picture(ranking, row), neighbours, float(ranking.average_precision[query]), page))
    return found


def best_queries(ranking: Ranking, count: int = 6) -> list[int]:
    """The queries with the highest MAP@R, of different classes as long as there are; of equals, most to find first."""
    _, inverse, sizes = np.unique(ranking.labels, return_inverse=True, return_counts=True)
    size = sizes[inverse[ranking.query_rows]]
    usable = _usable(ranking)
    order = usable[np.lexsort((usable, -size[usable], -ranking.average_precision[usable]))]
    return _diverse(order, count, lambda query: (_label(ranking, query),))


def median_queries(ranking: Ranking, count: int = 6) -> list[int]:
    """The queries around the median MAP@R, of different classes as long as there are, best first."""
    usable = _usable(ranking)
    order = usable[np.lexsort((usable, -ranking.average_precision[usable]))]
    middle = (len(order) - 1) / 2
    nearest = order[np.argsort(np.abs(np.arange(len(order)) - middle), kind="stable")]
    chosen = _diverse(nearest, count, lambda query: (_label(ranking, query),))
    return sorted(chosen, key=lambda query: -ranking.average_precision[query])


def worst_queries(ranking: Ranking, count: int = 6) -> list[int]:
    """The most confident mistakes: low MAP@R and a wrong first neighbour, the highest first scores.

    Each confusion (class of the query, class of its neighbour) is shown once as long as there are others. Without any
    wrong first neighbour: the queries with the lowest MAP@R.
    """
    usable = _usable(ranking)
    order = usable[np.lexsort((usable, ranking.average_precision[usable]))]
    wrong = order[ranking.precision_at_1[order] == 0] if ranking.neighbours.shape[1] else order[:0]
    if len(wrong) == 0:
        return _diverse(order, count, lambda query: (_label(ranking, query),))
    limit = ranking.average_precision[wrong[min(len(wrong), max(4 * count, len(usable) // 10)) - 1]]
    low = wrong[ranking.average_precision[wrong] <= limit]
    confident = low[np.argsort(-ranking.scores[low, 0], kind="stable")]
    return _diverse(confident, count, lambda query: (_label(ranking, query), _first(ranking, query)))


def _diverse(order: np.ndarray, count: int, kind: Callable[[int], tuple[str, ...]]) -> list[int]:
    """The first `count` of an order; a kind seen before has to wait until all others have been taken."""
    fresh: list[int] = []
    repeated: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for query in order.tolist():
        (repeated if kind(query) in seen else fresh).append(query)
        seen.add(kind(query))
        if len(fresh) == count:
            return fresh
    chosen = set((fresh + repeated)[:count])
    return [query for query in order.tolist() if query in chosen]


def _usable(ranking: Ranking) -> np.ndarray:
    return np.flatnonzero(np.isfinite(ranking.average_precision))


def _picture(ranking: Ranking, row: int, score: float | None = None, right: bool = True) -> Picture:
    picture = thumbnail(str(ranking.paths[row]), **THUMBNAIL)
    title = str(ranking.labels[row]).replace("_", " ")  # names of folders break into lines where they have blanks
    return Picture(picture, title, str(ranking.ids[row]), score, bool(right))


def _label(ranking: Ranking, query: int) -> str:
    return str(ranking.labels[ranking.query_rows[query]])


def _first(ranking: Ranking, query: int) -> str:
    return str(ranking.labels[ranking.neighbours[query, 0]])
