import json

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.evaluation import METRICS, describe, evaluate, ranks
from kinsight.evaluation import evaluate as public
from reference import ranking as reference

RANKING = ("recall_at_1", "recall_at_8", "r_precision", "map_at_r", "map_hits", "map_n", "map", "mrr")
BARE = {"clustering": False, "diagnosis": False, "intervals": False}


def clustered(classes=12, size=5, width=8, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), size))
    vectors = rng.standard_normal((classes, width))[labels] + noise * rng.standard_normal((len(labels), width))
    return vectors.astype(np.float32), labels


def check(vectors, labels, **options):
    found = evaluate(vectors, labels, **BARE, **options)
    expected, skipped = reference.evaluate(vectors, list(labels), **options)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["skipped_queries"] == skipped
    near = evaluate(vectors, labels, **BARE, **options, whole_gallery=False)
    assert near == {name: value for name, value in found.items() if name not in ("map", "mrr")}
    return found


def test_equals_the_reference():
    found = check(*clustered())
    assert found["queries"] == found["gallery"] == 60
    assert found["classes"] == 12


def test_equals_the_reference_with_duplicates_and_single_picture_classes():
    vectors, labels = clustered()
    vectors[:10] = vectors[10:20]
    vectors[30:34] = vectors[10]
    labels[[3, 17, 31]] = [100, 101, 102]
    assert check(vectors, labels)["skipped_queries"] >= 3


def test_equals_the_reference_with_queries_and_gallery_that_overlap():
    vectors, labels = clustered()
    rng = np.random.default_rng(1)
    queries, gallery = rng.random(60) < 0.5, rng.random(60) < 0.7
    found = check(vectors, labels, queries=queries, gallery=gallery)
    assert found["queries"] + found["skipped_queries"] == queries.sum()
    assert found["gallery"] == gallery.sum()
    assert check(vectors, labels, queries=queries)["gallery"] == 60


def test_equals_the_reference_with_cameras_and_sequences():
    vectors, labels = clustered(classes=8, size=8)
    rng = np.random.default_rng(1)
    cameras = rng.integers(0, 3, 64)
    sequences = np.array([None if number > 12 else f"s{number}" for number in rng.integers(0, 16, 64)], object)
    cameras[labels == 0] = 1
    assert check(vectors, labels, cameras=list(cameras))["skipped_queries"] == 8
    check(vectors, labels, sequences=list(sequences))
    queries = np.arange(64) % 3 == 0
    check(
        vectors, labels, cameras=list(cameras), sequences=list(sequences), queries=queries, gallery=~queries, ks=(1, 3)
    )


@pytest.mark.long
def test_many_pictures_of_few_classes_are_read_from_ranks_in_chunks():
    vectors, labels = clustered(classes=2, size=150, width=4, noise=1.5)
    vectors[:20] = vectors[20:40]
    vectors[100:140] = vectors[100]
    queries = np.arange(300) % 6 == 0
    found = check(vectors, labels, queries=queries)
    assert evaluate(vectors, labels, queries=queries, **BARE, budget_mb=0.01) == found


def test_usual_neighbours_beyond_a_small_gallery_are_left_out() -> None:
    found = evaluate(np.eye(4, 6) + 0.1, ["a", "a", "b", "b"])
    assert {"recall_at_1", "recall_at_2"} <= set(found)
    assert not {"recall_at_4", "recall_at_8"} & set(found)


@pytest.mark.parametrize("columns", [5, 16, 33])
def test_column_blocks_change_nothing(columns, monkeypatch):
    monkeypatch.setattr(ranks, "_COLUMNS", columns)
    monkeypatch.setattr(ranks, "_QUERIES", 11)
    vectors, labels = clustered(classes=30, size=3)
    vectors[::4] = vectors[1]
    sequences = np.arange(90) // 7
    check(vectors, labels)
    check(vectors, labels, sequences=list(sequences), queries=np.arange(90) % 3 > 0)


def test_identical_vectors_rank_by_row():
    labels = np.array([0, 1, 0, 1, 1, 0, 2, 2, 2, 0])
    check(np.ones((10, 3), np.float32), labels)


def test_budget_changes_nothing():
    vectors, labels = clustered(classes=30, size=7)
    whole = evaluate(vectors, labels, clustering=False)
    small = evaluate(vectors, labels, clustering=False, budget_mb=0.05)
    assert small == whole


@pytest.mark.parametrize("size", [2, 5])
def test_perfect_embedding(size):
    """Property 1 of the protocol's facts."""
    labels = np.repeat(np.arange(6), size)
    found = evaluate(np.eye(6)[labels], labels, ks=(1, 2))
    for name in ("precision_at_1", "r_precision", "map_at_r", "map_hits", "map", "mrr", "recall_at_2", "map_at_r_low"):
        assert found[name] == pytest.approx(1), name
    assert found["map_n"] == pytest.approx((size - 1) / size)
    assert found["intra_class_distance"] == pytest.approx(0)
    assert found["inter_class_distance"] == pytest.approx(2)
    assert found["effective_dimensions_99"] == 5


def test_random_embedding_is_right_by_chance():
    """Property 2 of the protocol's facts."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 1500)
    counts = np.bincount(labels)
    chance = (counts / 1500 * (counts - 1) / 1499).sum()
    found = evaluate(rng.standard_normal((1500, 16)), labels, **BARE)
    assert found["precision_at_1"] == pytest.approx(chance, abs=0.035)
    assert found["r_precision"] == pytest.approx(chance, abs=0.01)


def test_invariant_to_rotation_length_and_order():
    """Property 4 of the protocol's facts."""
    vectors, labels = clustered(classes=20, size=6)
    rng = np.random.default_rng(0)
    plain = evaluate(vectors, labels, **BARE)
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    order = rng.permutation(120)
    for other in (
        evaluate(vectors @ rotation, labels, **BARE),
        evaluate(vectors * rng.uniform(0.01, 100, (120, 1)), labels, **BARE),
        evaluate(vectors[order], labels[order], **BARE),
        evaluate(np.concatenate([vectors] * 4, axis=1) / 2, labels, **BARE),
    ):
        assert other == pytest.approx(plain, abs=1e-12)


def test_names_of_labels_do_not_matter():
    vectors, labels = clustered()
    names = np.array([f"bird {label:03}" for label in labels])
    plain = evaluate(vectors, labels)
    assert evaluate(vectors, names) == plain
    assert evaluate(vectors, names.astype(object)) == plain
    assert evaluate(vectors, list(names)) == plain


def test_groups_normalised_apart_rank_by_the_mean_of_their_cosines():
    vectors, labels = clustered(width=12)
    parts = vectors.reshape(60, 3, 4)
    parts = parts / np.linalg.norm(parts, axis=2, keepdims=True)
    mean = np.einsum("ipd,jpd->ij", parts, parts) / 3
    np.fill_diagonal(mean, -np.inf)
    found = evaluate(parts.reshape(60, 12), labels, **BARE)
    np.testing.assert_array_equal(found.neighbours.indices[:, 0], mean.argmax(axis=1))


def test_distractors_never_help():
    """Property 9 of the protocol's facts."""
    vectors, labels = clustered()
    others = np.random.default_rng(2).standard_normal((500, 8))
    before, hits = 1.0, None
    for distractors in (0, 20, 100, 500):
        more = np.concatenate([vectors, others[:distractors]])
        names = np.concatenate([labels, np.full(distractors, -1)])
        queries = np.arange(len(more)) < 60
        found = evaluate(more, names, queries=queries, **BARE, per_query=True)
        assert found["precision_at_1"] <= before
        assert hits is None or (found.per_query["precision_at_1"] <= hits).all()
        before, hits = found["precision_at_1"], found.per_query["precision_at_1"]
    assert found["precision_at_1"] < evaluate(vectors, labels, **BARE)["precision_at_1"]


def test_duplicates_do_not_take_the_place_of_the_query():
    """Property 3 of the protocol's facts."""
    vectors, labels = clustered(classes=10, size=2, noise=0.1)
    twice, names = np.concatenate([vectors, vectors]), np.concatenate([labels, labels])
    found = evaluate(twice, names, **BARE)
    assert found["precision_at_1"] == 1
    np.testing.assert_array_equal(found.neighbours.indices[:, 0], (np.arange(40) + 20) % 40)


def test_what_comes_with_the_numbers():
    vectors, labels = clustered(classes=12, size=5)
    labels[0] = 99
    found = evaluate(vectors, labels, per_query=True, seed=3)
    assert json.loads(json.dumps(found)) == found
    assert all(isinstance(value, (int, float)) and np.isfinite(value) for value in found.values())
    assert found == evaluate(vectors, labels, seed=3)
    np.testing.assert_array_equal(found.query_rows, np.arange(1, 60))
    assert found.neighbours.indices.shape == found.neighbours.scores.shape == (59, 8)
    assert (found.neighbours.indices != found.query_rows[:, None]).all()
    for name, values in found.per_query.items():
        assert values.shape == (59,)
        assert values.mean() == pytest.approx(found[name])
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    first = labels[found.neighbours.indices[:, 0]] == labels[found.query_rows]
    np.testing.assert_array_equal(found.per_query["recall_at_1"], first)
    assert evaluate(vectors, labels, **BARE).per_query is None


def test_every_key_has_a_definition():
    vectors, labels = clustered()
    found = evaluate(vectors, labels, ks=(1, 3, 10))
    for name in found:
        metric = describe(name)
        assert metric.name == name
        assert metric.title
        assert metric.definition.endswith(".")
    assert describe("recall_at_3").title == "R@3"
    assert describe("map_at_r_low").definition.startswith("Lower end of the 95 % interval of MAP@R. Precision")
    assert [METRICS[name].higher_is_better for name in RANKING] == [True] * len(RANKING)
    with pytest.raises(KinsightError, match="metric 'recall' is not known"):
        describe("recall")
    assert public is evaluate


def test_few_items_left_after_exclusion_still_have_metrics():
    vectors, labels = clustered(classes=2, size=3)
    found = evaluate(vectors, labels, ks=(1,))
    assert found["gallery"] == 6
    one_class = evaluate(vectors[:4], [0, 0, 0, 0], ks=(1, 3))
    assert one_class["map_at_r"] == one_class["map"] == 1
    assert one_class["map_n"] == pytest.approx(3 / 4)


good, names = clustered(classes=3, size=4)


def broken(row, value):
    vectors = good.copy()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate(good, names[:-1]), r"labels have the shape \(11,\); give one for each of the 12 vectors"),
        (lambda: evaluate(good[:, 0], names), r"vectors have the shape \(12,\)"),
        (lambda: evaluate(broken(7, np.nan), names), r"vectors row 7 holds NaN"),
        (lambda: evaluate(broken(7, np.inf), names), r"vectors row 7 holds NaN or infinity"),
        (lambda: evaluate(broken(3, 0), names), r"vectors row 3 is all zero"),
        (lambda: evaluate(good, names, ks=(1, 12)), r"k 12 is larger than the gallery: of its 12 items 11"),
        (lambda: evaluate(good, names, ks=(0, 1)), r"each at least 1"),
        (lambda: evaluate(good, names, ks=()), r"at least one k"),
        (lambda: evaluate(good, names, queries=np.zeros(12, bool)), r"queries marks none of the 12 items"),
        (lambda: evaluate(good, names, gallery=np.zeros(12, bool)), r"gallery marks none"),
        (lambda: evaluate(good, names, queries=np.arange(12)), r"give one true or false for each of the 12"),
        (lambda: evaluate(good, names, queries=np.ones(5, bool)), r"shape \(5,\)"),
        (lambda: evaluate(good, np.arange(12)), r"none of the 12 queries has another picture of its label"),
        (lambda: evaluate(good, names, sequences=np.zeros(12)), r"none of the 12 queries"),
        (lambda: evaluate(good, [None, *names[1:]]), r"labels row 0 is missing"),
        (lambda: evaluate(good, np.where(names == 1, np.nan, names)), r"labels row \d+ is missing"),
        (lambda: evaluate(good, np.array(["a", 1] * 6, object)), r"labels mix kinds of values"),
        (lambda: evaluate(good, names, cameras=[1, 2]), r"cameras have the shape \(2,\)"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(KinsightError, match=message):
        call()


def test_precision_at_any_k() -> None:
    vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0], [0.1, 0.9]])
    found = evaluate(
        vectors, [0, 0, 1, 1, 1], precision_ks=(1, 2, 3), ks=(1,), clustering=False, diagnosis=False, intervals=False
    )
    # Of each query the labels of its first three neighbours: 0 1 1, 0 1 1, 0 0 1, 1 1 0, 1 1 0.
    assert found["precision_at_2"] == pytest.approx((1 / 2 + 1 / 2 + 0 + 1 + 1) / 5)
    assert found["precision_at_3"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 3 + 2 / 3 + 2 / 3) / 5)
    assert found["precision_at_1"] == found["recall_at_1"]
