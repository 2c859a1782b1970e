import numpy as np
import pytest
import torch

from kinsight.evaluation import ahead, ranks
from kinsight.evaluation.exclusion import Exclusion
from kinsight.evaluation.ranks import positive_ranks
from reference.ranking import ranking, unit


def clustered(classes, size, width=16, noise=0.6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), size))
    vectors = rng.standard_normal((classes, width))[labels] + noise * rng.standard_normal((len(labels), width))
    return unit(vectors.astype(np.float32)), labels


def expected(queries, gallery, labels, allowed):
    return [
        [
            place
            for place, (item, _) in enumerate(ranking(query, gallery, may), 1)
            if labels[1][item] == label
        ]
        for query, label, may in zip(queries, labels[0], allowed, strict=True)
    ]  # fmt: skip


def check(vectors, labels, rows, groups=(), **options):
    """The ranks of the positives of some rows among all, each without itself and without its groups."""
    numbers = [np.arange(len(labels)), *groups]
    exclusion = Exclusion([(each[rows], each) for each in numbers], len(rows), len(labels))
    allowed = ~np.any([(each[rows, None] == each) & (each[rows, None] >= 0) for each in numbers], axis=0)
    sides = (labels[rows], labels)
    wanted = expected(vectors[rows], vectors, sides, allowed)
    seen = 0
    for chosen, found in positive_ranks(vectors[rows], vectors, sides, exclusion, device="cpu", **options):
        seen += len(chosen)
        for query, row in zip(chosen, found, strict=True):
            assert row[row > 0].tolist() == wanted[query]
    assert seen == len(rows)


@pytest.fixture
def counted(monkeypatch):
    """Which way the ranks were counted."""
    ways = []
    for name in ("ahead_by_products", "ahead_by_scores"):
        count = getattr(ranks, name)
        monkeypatch.setattr(ranks, name, lambda *a, name=name, count=count: ways.append(name) or count(*a))
    return ways


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("noise", [0.3, 0.8, 30])
def test_every_precision_gives_the_ranks_of_the_reference(precision, noise, monkeypatch, counted):
    known = {
        torch.bfloat16: [torch.bfloat16, torch.float32, torch.float64],
        torch.float32: [torch.float32, torch.float64],
    }
    monkeypatch.setattr(ranks, "precisions", lambda *_: known.get(precision, [torch.float64]).copy())
    monkeypatch.setattr(ranks, "_COLUMNS", 64)
    vectors, labels = clustered(60, 5, noise=noise)
    vectors[::9] = vectors[4]  # ties, also between a positive and others
    rng = np.random.default_rng(1)
    check(vectors, labels, rng.permutation(300)[:60], [rng.integers(-1, 20, 300)])
    assert set(counted) >= {"ahead_by_scores" if precision == torch.float64 else "ahead_by_products"}


@pytest.mark.parametrize("entries", [7, 1 << 20])
def test_queries_with_much_and_with_little_ahead_are_counted_together(entries, monkeypatch, counted):
    monkeypatch.setattr(ahead, "_ENTRIES", entries)
    monkeypatch.setattr(ahead, "_BLOCKS", 2)
    monkeypatch.setattr(ranks, "_COLUMNS", 96)
    vectors, labels = clustered(50, 6, noise=0.3)
    vectors[:10] = unit(np.random.default_rng(1).standard_normal((10, 16)).astype(np.float32))
    check(vectors, labels, np.arange(0, 300, 3))
    assert set(counted) == {"ahead_by_products"}


def test_where_most_of_the_gallery_is_ahead_all_is_scored(counted):
    vectors, labels = clustered(50, 6, noise=50)
    check(vectors, labels, np.arange(0, 300, 3))
    assert counted == ["ahead_by_products", "ahead_by_scores"]


def test_products_that_cannot_tell_items_apart_give_way_to_scores(counted):
    vectors, labels = clustered(20, 10)
    vectors = unit(1 + np.float32(1e-4) * vectors)
    check(vectors, labels, np.arange(0, 200, 4))
    assert counted[-1] == "ahead_by_scores"


def test_doubtful_items_are_scored_on_both_sides_of_a_tie():
    vectors, labels = clustered(40, 4)
    sought = np.nonzero(labels == labels[0])[0]
    vectors[[10, 150]] = vectors[sought[1]]  # one before it, one behind it
    check(vectors, labels, sought)


def test_as_many_queries_as_are_counted_at_once(monkeypatch, counted):
    vectors, labels = clustered(550, 2, noise=0.3)
    rows = np.arange(1100)
    sides, exclusion = (labels, labels), Exclusion([(rows, rows)], 1100, 1100)
    found = list(positive_ranks(vectors, vectors, sides, exclusion, device="cpu"))
    monkeypatch.setattr(ranks, "precisions", lambda *_: [torch.float64])
    scored = list(positive_ranks(vectors, vectors, sides, exclusion, device="cpu"))
    assert [len(chosen) for chosen, _ in found] == [1024, 76]
    assert counted == ["ahead_by_products"] * 2 + ["ahead_by_scores"] * 2
    for (_, ours), (_, theirs) in zip(found, scored, strict=True):
        np.testing.assert_array_equal(ours, theirs)
