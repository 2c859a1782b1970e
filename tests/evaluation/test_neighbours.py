import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.errors import KinsightError
from kinsight.evaluation import neighbours
from kinsight.evaluation.neighbours import _Search
from kinsight.evaluation.products import Products, scores
from reference.ranking import cosine, minus_distance, ranking, unit


def expected(queries, gallery, k, similarity, allowed=None):
    prepare, measure = (unit, cosine) if similarity == "cosine" else (np.float32, minus_distance)
    queries, gallery = prepare(queries), prepare(gallery)
    if allowed is None:
        allowed = np.ones((len(queries), len(gallery)), bool)
    rows = [ranking(query, gallery, may, measure)[:k] for query, may in zip(queries, allowed, strict=True)]
    return np.array([[index for index, _ in row] for row in rows]), np.array(
        [[score for _, score in row] for row in rows]
    )


def vectors(count, width=8, seed=0):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 19])
def test_gallery_search_equals_reference(similarity, k):
    queries, gallery = vectors(17), vectors(19, seed=1)
    found = neighbours(queries, gallery, k, similarity=similarity)
    indices, values = expected(queries, gallery, k, similarity)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.scores, values)
    assert found.indices.dtype == np.int64
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_search_among_themselves_leaves_out_self_by_index_also_among_duplicates(similarity):
    items = vectors(40)
    items[20:30] = items[:10]
    items[39] = items[0]
    found = neighbours(items, None, 6, similarity=similarity)
    indices, values = expected(items, items, 6, similarity, ~np.eye(40, dtype=bool))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.scores, values)
    assert found.indices[0, :2].tolist() == [20, 39]
    assert found.indices[20, :2].tolist() == [0, 39]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-2, 2)] * 3).filter(any), min_size=3, max_size=40),
    st.integers(1, 2),
    st.sampled_from(["cosine", "euclidean"]),
)
def test_ties_go_to_the_lower_index(rows, k, similarity):
    items = np.array(rows, np.float32)
    found = neighbours(items, None, k, similarity=similarity, budget_mb=0.03)
    indices, _ = expected(items, items, k, similarity, ~np.eye(len(items), dtype=bool))
    np.testing.assert_array_equal(found.indices, indices)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_block_sizes_and_the_symmetric_path_change_nothing(similarity):
    items = vectors(300, 32)
    items[200:250] = items[:50]
    rows = np.arange(300)
    whole = neighbours(items, None, 9, similarity=similarity)
    for budget in (0.03, 0.2, 1.7):
        for gallery, numbers in ((None, None), (items, rows)):
            found = neighbours(
                items, gallery, 9, query_rows=numbers, gallery_rows=numbers, similarity=similarity, budget_mb=budget
            )
            np.testing.assert_array_equal(found.indices, whole.indices)
            np.testing.assert_array_equal(found.scores, whole.scores)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("spread", [0, 1e-6, 1e-4])
def test_collapsed_embeddings_are_ranked_exactly(similarity, spread, monkeypatch):
    ran = []
    run = _Search._run
    monkeypatch.setattr(_Search, "_run", lambda self, precision: ran.append(precision) or run(self, precision))
    items = (np.ones(16) + spread * vectors(250, 16)).astype(np.float32)
    found = neighbours(items, None, 3, similarity=similarity, budget_mb=0.5)
    indices, values = expected(items, items, 3, similarity, ~np.eye(250, dtype=bool))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.scores, values)
    assert ran[-2:] == [torch.float32, torch.float64]  # float32 products cannot tell them apart, float64 ones can


@pytest.mark.parametrize("own_gallery", [True, False])
def test_groups_never_meet(own_gallery):
    items = vectors(60)
    first, second = np.arange(60) // 6, np.where(np.arange(60) % 5 == 0, -1, np.arange(60) % 4)
    allowed = (
        (first[:, None] != first) & ((second[:, None] != second) | (second[:, None] < 0)) & ~np.eye(60, dtype=bool)
    )
    if own_gallery:
        found = neighbours(items, None, 8, exclude=[first, second], budget_mb=0.1)
    else:
        rows = np.arange(60)
        pairs = [(first, first), (second, second)]
        found = neighbours(items, items, 8, query_rows=rows, gallery_rows=rows, exclude=pairs, budget_mb=0.1)
    np.testing.assert_array_equal(found.indices, expected(items, items, 8, "cosine", allowed)[0])


@pytest.mark.long
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32, torch.float64])
def test_a_large_group_does_not_hide_the_neighbours_behind_it(precision, monkeypatch):
    monkeypatch.setattr(sys.modules[_Search.__module__], "precisions", lambda *_: [precision, torch.float64])
    items = vectors(400)
    items[:200] = items[0] + 0.01 * items[:200]
    sequence = np.where(np.arange(400) < 200, 0, -1)
    allowed = ~((sequence[:, None] == 0) & (sequence == 0)) & ~np.eye(400, dtype=bool)
    found = neighbours(items, None, 5, exclude=[sequence], budget_mb=1)
    np.testing.assert_array_equal(found.indices, expected(items, items, 5, "cosine", allowed)[0])


def test_cosine_ignores_length_and_ranks_unit_vectors_as_the_distance_does():
    items = vectors(80)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (80, 1)).astype(np.float32)
    found = neighbours(items * lengths, None, 7)
    np.testing.assert_array_equal(found.indices, neighbours(items, None, 7).indices)
    np.testing.assert_array_equal(found.indices, neighbours(unit(items), None, 7, similarity="euclidean").indices)


@pytest.mark.parametrize("spread", [0.1, 1])
@pytest.mark.parametrize(
    ("similarity", "precision"),
    [("cosine", torch.bfloat16), ("cosine", torch.float32), ("euclidean", torch.float32)],
)
def test_the_margin_bounds_the_error_of_the_products(similarity, precision, spread):
    items = 1 + spread * vectors(200, 300)
    ready = torch.from_numpy(unit(items) if similarity == "cosine" else items)
    products = Products(ready, ready, similarity, precision)
    block = products.block(slice(0, 208), slice(0, 208))[:200, :200].double()
    exact = ready.double() @ ready.double().T
    if similarity == "euclidean":
        squares = exact.diagonal()
        exact = exact - squares[:, None] / 2 - squares / 2
    error = (block - exact).abs()
    assert (error <= products.margin + products.relative * block.abs()).all()
    assert error.max() > 0.001 * products.margin


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_of_the_products_gives_the_same_neighbours(precision, monkeypatch):
    monkeypatch.setattr(sys.modules[_Search.__module__], "precisions", lambda *_: [precision])
    items = vectors(300, 64)
    items[200:] = items[:100] + 0.3 * items[200:]
    items[290:] = items[:10]
    found = neighbours(items, None, 4, budget_mb=2)
    indices, values = expected(items, items, 4, "cosine", ~np.eye(300, dtype=bool))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.scores, values)


def test_scores_do_not_depend_on_company():
    items = torch.from_numpy(unit(vectors(50, 37)))
    rows, columns = torch.arange(50).repeat_interleave(50), torch.arange(50).repeat(50)
    together = scores(items, items, rows, columns, "cosine")
    alone = torch.cat([scores(items, items, rows[[i]], columns[[i]], "cosine") for i in range(0, 2500, 7)])
    assert torch.equal(together[::7], alone)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("collapsed", [False, True])
def test_workers_change_nothing_and_leave_the_number_of_threads_as_it_was(collapsed):
    items = vectors(400, 24) * (1e-4 if collapsed else 1) + collapsed
    items[300:] = items[:100]
    found = neighbours(items, None, 5, budget_mb=1)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    alone = neighbours(items, None, 5, budget_mb=1)
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.scores, alone.scores)


def test_more_neighbours_than_a_block_is_wide():
    items = vectors(150)
    found = neighbours(items, None, 100, budget_mb=0.1)
    np.testing.assert_array_equal(found.indices, expected(items, items, 100, "cosine", ~np.eye(150, dtype=bool))[0])


def test_no_block_exceeds_the_budget(monkeypatch):
    sizes = []
    block = Products.block

    def noted(self, rows, columns):
        out = block(self, rows, columns)
        sizes.append(out.numel())
        return out

    monkeypatch.setattr(Products, "block", noted)
    neighbours(vectors(500), None, 3, budget_mb=1)
    assert len(sizes) > 4
    assert max(sizes) * 64 < 2**20


def test_callers_settings_do_not_reach_the_products():
    items = vectors(64, 64)
    plain = neighbours(items, None, 5)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loose = neighbours(items, None, 5)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(plain.indices, loose.indices)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbours(vectors(5), None, 5), r"k is 5, larger than the gallery: of its 5 items 4 may be compared"),
        (lambda: neighbours(vectors(5), vectors(5), 6), r"of its 5 items 5"),
        (lambda: neighbours(vectors(6), None, 3, exclude=[np.array([0, 0, 0, 0, 1, 1])]), r"6 items 2 .* query 0"),
        (lambda: neighbours(vectors(5), None, 0), r"at least 1"),
        (lambda: neighbours(vectors(5)[0], None, 1), r"shape \(8,\)"),
        (lambda: neighbours(np.empty((0, 8)), None, 1), r"shape \(0, 8\)"),
        (lambda: neighbours(vectors(5), vectors(5, 9), 1), r"8 numbers each and the gallery 9"),
        (lambda: neighbours(vectors(5), vectors(5) * np.nan, 1), r"the gallery row 0 holds NaN"),
        (lambda: neighbours(vectors(5) * 0, None, 1), r"queries row 0 is all zero"),
        (lambda: neighbours(np.array([["a", "b"]]), None, 1), r"give real numbers"),
        (lambda: neighbours(vectors(5), None, 1, exclude=[np.arange(4)]), r"for 5 queries and 5 gallery"),
        (lambda: neighbours(vectors(5), vectors(5), 1, query_rows=np.arange(5)), r"query_rows and gallery_rows"),
        (lambda: neighbours(vectors(5), None, 1, similarity="dot"), r"write cosine or euclidean"),
        (lambda: neighbours(vectors(5), None, 1, device="mps"), r"write cpu or cuda"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(KinsightError, match=message):
        call()
