"""Settings compared from Python: what is paired, which interval a number has, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import kinsight
from evaluated_runs import PER_CLASS, QUERIES, arrays_of, rewritten, write_run
from kinsight.api.compare import compare
from kinsight.errors import KinsightError
from kinsight.evaluation import bootstrap
from kinsight.files import write_npz
from kinsight.show import comparison_text
from tiny_run import finished, pictures, tiny

__all__ = ["finished", "pictures"]

SMALL = {"model": {"size": 64}}
A = {0: 0.50, 1: 0.55, 2: 0.53}
B = {0: 0.52, 1: 0.58, 2: 0.54, 3: 0.90}


def seeds(folder: Path, values: dict[int, float], **more: object) -> list[Path]:
    """Runs of several seeds with these values of MAP@R, and NMI a tenth higher."""
    return [
        write_run(Path(f"{folder}-{seed}"), {"map_at_r": value, "nmi": value + 0.1}, seed=seed, **more)  # type: ignore[arg-type]
        for seed, value in values.items()
    ]


def queries(shift: float = 0.0) -> np.ndarray:
    """One value a query, alike for every call but for the shift and a little noise that goes with it."""
    rng = np.random.default_rng(3)
    return rng.uniform(0.2, 0.6, QUERIES) + shift * (1 + 0.1 * rng.standard_normal(QUERIES))


def test_means_and_paired_differences(tmp_path: Path):
    found = compare([*seeds(tmp_path / "a", A), *seeds(tmp_path / "b", B, recipe=SMALL)])
    a, b = found.rows
    assert (found.baseline, found.metrics, a.setting, b.setting) == ("a", ["map_at_r", "nmi"], "a", "b")
    assert (a.n, b.n, a.pairs, b.pairs, a.differences) == (3, 4, 0, 3, {})
    mean = a.values["map_at_r"]
    low, high = stats.t.interval(0.95, 2, loc=np.mean([*A.values()]), scale=stats.sem([*A.values()]))
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean([*A.values()]), low, high))
    assert b.values["nmi"].value == pytest.approx(np.mean([*B.values()]) + 0.1)
    expected = stats.ttest_rel([B[0], B[1], B[2]], [*A.values()]).confidence_interval(0.95)
    for key in found.metrics:
        difference = b.differences[key]
        assert (difference.value, difference.n, difference.method) == (pytest.approx(0.02), 3, "t")
        assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert (a.dimension, a.parameters, a.minutes, b.minutes) == (16, 2_500_000, 11.0, 11.5)
    assert found.recipe == {"model.size": {"a": 224, "b": 64}}
    assert found.notes == ["Without a pair in a: b seed 3; its mean counts them."]


def test_pairs_are_of_one_fold(tmp_path: Path):
    runs = [
        write_run(tmp_path / f"{name}-{fold}", {"nmi": value}, fold=fold, recipe=recipe)
        for name, recipe, values in (("a", {}, {0: 0.1, 1: 0.4}), ("b", SMALL, {1: 0.45, 0: 0.2, 2: 0.9}))
        for fold, value in values.items()
    ]
    found = compare(runs)
    assert found.rows[1].differences["nmi"].value == pytest.approx((0.1 + 0.05) / 2)
    assert found.notes == ["Without a pair in a: b fold 2 seed 0; its mean counts them."]


def test_settings_that_share_no_seed_have_no_difference(tmp_path: Path):
    found = compare([*seeds(tmp_path / "a", {0: 0.5}), *seeds(tmp_path / "b", {1: 0.6}, recipe=SMALL)])
    assert (found.rows[1].pairs, found.rows[1].differences) == (0, {})
    assert len(found.notes) == 2
    assert "b was not compared with a: no run of the same seed and fold." in comparison_text(found)


@pytest.mark.long
def test_baseline_stands_first_and_others_as_given(tmp_path: Path):
    sizes = {"c": 32, "a": 48, "b": 64}
    runs = [run for name, size in sizes.items() for run in seeds(tmp_path / name, A, recipe={"model": {"size": size}})]
    found = compare(runs, baseline="a")
    assert [row.setting for row in found.rows] == ["a", "c", "b"]
    assert [row.setting for row in compare(runs).rows] == ["c", "a", "b"]


def test_one_pair_is_resampled_where_each_query_is_stored(tmp_path: Path):
    runs = [
        write_run(tmp_path / "a-0", queries=queries()),
        write_run(tmp_path / "b-0", queries=queries(0.05), recipe=SMALL),
    ]
    row = compare(runs).rows[1]
    difference = row.differences["map_at_r"]
    classes = arrays_of(queries())["labels"][::-1]
    low, high = bootstrap(queries(0.05) - queries(), classes)
    assert (difference.method, difference.n) == ("bootstrap", 1)
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (float((queries(0.05) - queries()).mean()), float(low), float(high))
    )
    assert difference.excludes_zero
    assert row.differences["nmi"].method is None
    assert row.values["map_at_r"].low is None  # the evaluation gave none, and none is invented


def test_one_run_has_the_interval_of_its_evaluation(tmp_path: Path):
    (row,) = compare([write_run(tmp_path / "a", {"map_at_r": 0.5, "map_at_r_low": 0.4, "map_at_r_high": 0.7})]).rows
    estimate = row.values["map_at_r"]
    assert (estimate.low, estimate.high, estimate.method) == (0.4, 0.7, "bootstrap")
    (row,) = compare([write_run(tmp_path / "b", {"map_at_r": 1.0, "map_at_r_low": 1.0, "map_at_r_high": 1.0})]).rows
    assert row.values["map_at_r"].low is None  # all values alike claim no certainty


@pytest.mark.parametrize("fault", ["missing", "other ids", "other order", "other labels", "stale", "no metric"])
def test_no_interval_where_the_queries_of_the_pair_are_not_the_same(tmp_path: Path, fault: str):
    runs = [
        write_run(tmp_path / "a-0", queries=queries()),
        write_run(tmp_path / "b-0", queries=queries(0.05), recipe=SMALL),
    ]
    arrays = arrays_of(queries(0.05))
    file = runs[1] / "evaluation" / "test.npz"
    if fault == "missing":
        file.unlink()
    elif fault == "other ids":
        rewritten(runs[1], ids=np.char.add("x", arrays["ids"]))
    elif fault == "other order":
        rewritten(runs[1], query_rows=np.roll(arrays["query_rows"], 1))
    elif fault == "other labels":
        rewritten(runs[1], labels=np.roll(arrays["labels"], PER_CLASS))
    elif fault == "stale":
        rewritten(runs[1], map_at_r=queries(0.06))
    else:
        write_npz(file, {key: value for key, value in arrays.items() if key != "map_at_r"})
    found = compare(runs)
    difference = found.rows[1].differences["map_at_r"]
    assert (difference.low, difference.method) == (None, None)
    assert difference.value == pytest.approx(float((queries(0.05) - queries()).mean()))
    assert found.notes == [
        f"No interval for the one pair {runs[1]} and {runs[0]}: they do not store the same queries, one by one, in one order."
    ]


def test_broken_arrays_are_refused(tmp_path: Path):
    runs = [
        write_run(tmp_path / "a-0", queries=queries()),
        write_run(tmp_path / "b-0", queries=queries(0.05), recipe=SMALL),
    ]
    (runs[0] / "evaluation" / "test.npz").write_bytes(b"no zip")
    with pytest.raises(KinsightError, match=r"a-0/evaluation/test.npz is not an .npz .* evaluate .*a-0 again"):
        compare(runs)


def test_a_model_measured_twice_is_not_two_runs(tmp_path: Path):
    starts = [
        write_run(tmp_path / f"a-{seed}", {"map_at_r": 0.3}, seed=seed, name="test-untrained", digest_of_model="same")
        for seed in range(3)
    ]
    found = compare(starts, name="test-untrained")
    (row,) = found.rows
    assert (row.n, row.values["map_at_r"].low) == (1, None)
    assert (row.parameters, row.minutes) == (None, None)  # those are of the trained one
    assert found.notes == ["The 3 runs of a measured 1 model(s); each counts once."]


def test_metrics_all_have_or_are_named(tmp_path: Path):
    a = write_run(tmp_path / "a", {"map_at_r": 0.5, "recall_at_2": 0.7, "hubness": 1.5})
    b = write_run(tmp_path / "b", {"map_at_r": 0.6, "nmi": 0.7, "hubness": 2.5}, recipe=SMALL)
    assert compare([a, b]).metrics == ["map_at_r"]
    found = compare([a, b], metrics=["hubness", "map_at_r"])
    assert found.rows[1].differences["hubness"].value == 1.0
    with pytest.raises(KinsightError, match=r"b was evaluated without recall_at_2; .*evaluate .*b --k 1 2 2`"):
        compare([a, b], metrics=["recall_at_2"])
    with pytest.raises(KinsightError, match=r"a was evaluated without nmi; .* `kinsight evaluate .*a`"):
        compare([a, b], metrics=["nmi"])
    with pytest.raises(KinsightError, match="metric 'nonsense' is not known"):
        compare([a, b], metrics=["nonsense"])
    with pytest.raises(KinsightError, match="no metric was given"):
        compare([a, b], metrics=[])
    with pytest.raises(KinsightError, match="share none of precision_at_1"):
        compare([write_run(tmp_path / "c", {"hubness": 1.0})])


def test_other_protocols_are_refused_unless_told(tmp_path: Path):
    runs = [
        *seeds(tmp_path / "a", A),
        *seeds(tmp_path / "b", B, recipe=SMALL, measured={"similarity": "dot"}),
    ]
    said = f"similarity is cosine in {runs[0]} and 2 more, but dot in {runs[3]} and 3 more"
    with pytest.raises(KinsightError, match="the numbers of these runs do not compare") as refusal:
        compare(runs)
    assert said in str(refusal.value)
    assert "--anyway" in str(refusal.value)
    found = compare(runs, anyway=True)
    assert found.disagreements == [said]
    assert said in " ".join(comparison_text(found).split())
    assert compare(runs[:3]).disagreements == []


def test_missing_evaluations_name_the_command(tmp_path: Path):
    runs = seeds(tmp_path / "a", A)
    (runs[1] / "evaluation" / "test.json").unlink()
    with pytest.raises(KinsightError, match=r"a-1 has no evaluation 'test'; make it with `kinsight evaluate .*a-1`"):
        compare(runs)
    with pytest.raises(
        KinsightError,
        match=r"a-0 has no evaluation 'validation' \(nor have .*a-1, .*a-2\); it has test; .* --split validation`",
    ):
        compare(runs, name="validation")
    with pytest.raises(KinsightError, match="choose another --name"):
        compare(runs, name="cars-test")
    with pytest.raises(
        KinsightError, match=r"`kinsight evaluate .*a-0 --groups`, and leave out runs whose head has no groups"
    ):
        compare(runs, name="test-group-2")


def test_the_same_group_of_two_runs_is_not_one_thing(tmp_path: Path):
    runs = [
        write_run(tmp_path / f"a-{seed}", {"map_at_r": A[seed]}, seed=seed, name="test-group-1") for seed in range(2)
    ]
    assert any("Groups have no order" in note for note in compare(runs, name="test-group-1").notes)
    assert not compare(runs[:1], name="test-group-1").notes


def test_what_is_no_run_is_refused_or_passed_over(tmp_path: Path):
    (run,) = seeds(tmp_path / "a", {0: 0.5})
    (tmp_path / "a-0.log").write_text("a log beside its run")
    assert len(compare([run, tmp_path / "a-0.log", f"{run}/", run]).runs) == 1
    with pytest.raises(KinsightError, match="no run folder was given"):
        compare([tmp_path / "a-0.log"])
    with pytest.raises(KinsightError, match=r"nothing holds no run \(no recipe.yaml\)"):
        compare([run, tmp_path / "nothing"])
    (run / "recipe.yaml").write_text("epoch: 3")
    with pytest.raises(KinsightError, match=r"recipe.yaml: 'epoch' is not a setting"):
        compare([run])
    (run / "recipe.yaml").write_text("[")
    with pytest.raises(KinsightError, match=r"recipe.yaml is no recipe"):
        compare([run])


def test_an_evaluation_without_metrics_or_protocol_is_refused(tmp_path: Path):
    (run,) = seeds(tmp_path / "a", {0: 0.5})
    for content in ({"metrics": {"nmi": 1}}, {"protocol": {"ks": [1]}}, {}):
        (run / "evaluation" / "test.json").write_text(json.dumps(content))
        with pytest.raises(KinsightError, match="holds no metrics with their protocol; make it with"):
            compare([run])


@pytest.mark.long
def test_real_runs(finished: Path, pictures: Path, tmp_path: Path):
    first = Path(shutil.copytree(finished, tmp_path / "full-0"))
    changes = {"seed": 1}, {"model": {"head": {"dim": 8}}}
    others = [
        kinsight.train(tiny(pictures, change), tmp_path / name, progress=False).path
        for change, name in zip(changes, ("full-1", "narrow-0"), strict=True)
    ]
    for run in (first, *others):
        kinsight.evaluate(run, k=(1, 2))
    found = compare([first, *others], metrics=["map_at_r", "recall_at_2", "f1"])
    full, narrow = found.rows
    assert [(row.setting, row.n, row.pairs, row.dimension) for row in found.rows] == [
        ("full", 2, 0, 16),
        ("narrow", 1, 1, 8),
    ]
    assert found.recipe == {"model.head.dim": {"full": 16, "narrow": 8}}
    assert found.disagreements == []
    assert full.values["map_at_r"].method is None  # of two runs
    assert narrow.differences["map_at_r"].method == "bootstrap"
    assert narrow.differences["f1"].method is None
    metrics = [record["metrics"]["map_at_r"] for record in found.runs]
    assert narrow.differences["map_at_r"].value == pytest.approx(metrics[2] - metrics[0])
    assert full.parameters is not None
    assert narrow.parameters is not None
    assert full.parameters > narrow.parameters
