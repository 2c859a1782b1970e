from __future__ import annotations

import numpy as np

from kinsight.runs.ranking import Ranking
from kinsight.show.report.queries import best_queries, median_queries, rows_of, worst_queries
from show.made_run import clustered, ranked


def ranking(noise: float = 0.9, classes: int = 8, per_class: int = 10) -> Ranking:
    kinds = np.repeat(np.arange(classes), per_class)
    vectors = clustered(kinds, noise, np.random.default_rng(5))
    labels = np.array([f"class {kind}" for kind in kinds])
    names = np.array([f"{number}.jpg" for number in range(len(kinds))])
    return Ranking(ids=names, paths=names, labels=labels, vectors=vectors, **ranked(vectors, labels, 8))


def test_best_queries_have_the_highest_precision_and_differ_in_class() -> None:
    made = ranking()
    chosen = best_queries(made, 6)
    assert len({made.labels[query] for query in chosen}) == 6
    precision = made.average_precision
    assert precision[chosen[0]] == precision.max()
    assert (np.diff(precision[chosen]) <= 0).all()
    for query in chosen:
        assert precision[query] == precision[made.labels == made.labels[query]].max()


def test_median_queries_lie_around_the_middle() -> None:
    made = ranking()
    chosen = median_queries(made, 5)
    assert len({made.labels[query] for query in chosen}) == 5
    middle = np.median(made.average_precision)
    low, high = np.quantile(made.average_precision, [0.3, 0.7])
    assert all(low <= made.average_precision[query] <= high for query in chosen)
    assert abs(made.average_precision[chosen] - middle).min() < 0.03


def test_worst_queries_are_confident_mistakes() -> None:
    made = ranking()
    chosen = worst_queries(made, 4)
    assert (made.precision_at_1[chosen] == 0).all()
    assert (np.diff(made.scores[chosen, 0]) <= 0).all()
    assert made.average_precision[chosen].max() <= np.median(made.average_precision)
    confusions = {(made.labels[query], made.labels[made.neighbours[query, 0]]) for query in chosen}
    assert len(confusions) == 4


def test_without_mistakes_the_worst_are_the_lowest() -> None:
    made = ranking(noise=0.05)
    assert made.precision_at_1.all()
    made.average_precision[17] = 0.25
    assert worst_queries(made, 3)[0] == 17


def test_one_class_still_fills_its_rows() -> None:
    made = ranking(classes=1)
    assert len(best_queries(made, 4)) == len(median_queries(made, 4)) == len(worst_queries(made, 4)) == 4


def test_rows_tell_right_from_wrong() -> None:
    made = ranking()
    (row,) = rows_of(made, [3], shown=6)
    assert row.query.label == "class 0"
    assert row.average_precision == made.average_precision[3]
    assert [cell.label for cell in row.neighbours] == made.labels[made.neighbours[3, :6]].tolist()
    assert [cell.right for cell in row.neighbours] == [cell.label == "class 0" for cell in row.neighbours]
    assert [cell.score for cell in row.neighbours] == made.scores[3, :6].tolist()
