"""A tiny study from its beginning to its tables."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinsight
from killed_runs import killed
from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.evaluation.statistics import t_interval
from kinsight.reading import read_npz
from kinsight.settings.parsing import settings_from
from kinsight.studies import engines
from kinsight.studies.measuring import side_by_side
from kinsight.studies.methods import methods_named
from kinsight.studies.performing import perform
from kinsight.studies.results import FILE, read_results
from kinsight.studies.running import alone
from kinsight.studies.study import Study, StudyFolder
from kinsight.training.tables import prepare_table
from studies.conftest import METHODS, TINY, tiny_study

STUDY = Study({"data": {"path": "here"}}, tuple(methods_named(METHODS.split(","))), "digest", 2, 1, 2)
METRICS = ("precision_at_1", "r_precision", "map_at_r")


def numbers(folder: Path) -> dict[str, Any]:
    """All results but for what depends on the clock."""
    results = read_results(folder / "runs")
    return {path: (each.value, each.step, each.values, each.metrics, each.parameters) for path, each in results.items()}


def table_lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as stream:
        return [{**line, "minutes": ""} for line in csv.DictReader(stream)]


@pytest.mark.long
def test_every_training_leaves_its_result_and_recipe_and_no_model(done: Path) -> None:
    runs = done / "runs"
    assert len(read_results(runs)) == 1 + 2 * 2 + 2 * 2 * 3
    assert sorted(each.name for each in (runs / "margin" / "repeat-1" / "fold-0").iterdir()) == [
        "metrics.jsonl", "protocol.json", "recipe.yaml", FILE, "test.npz",
    ]  # fmt: skip
    assert not list(done.rglob("*.safetensors"))
    # avg and map of the training half, both of the test half; the trunk's features are computed once.
    assert len(list((done / "features").iterdir())) == 4


@pytest.mark.long
def test_the_numbers_of_a_repeat_are_what_evaluate_gives(done: Path, pictures: Path) -> None:
    study = StudyFolder(done).read()
    results = read_results(done / "runs")
    table = prepare_table(settings_from(study.settings, {"data": {"folds": 2, "fold": 0}}).data)
    kept = [read_npz(done / f"runs/margin/repeat-0/fold-{fold}/test.npz") for fold in range(2)]
    assert (table["split"].to_numpy()[kept[0]["rows"]] == "test").all()
    labels = table["label"].to_numpy()[kept[0]["rows"]]
    for fold, each in enumerate(kept):
        found = evaluate(each["vectors"], labels, clustering=False, diagnosis=False, intervals=False)
        assert results[f"margin/repeat-0/fold-{fold}"].metrics == pytest.approx({key: found[key] for key in METRICS})
    found = evaluate(
        np.hstack([each["vectors"] for each in kept]), labels, clustering=False, diagnosis=False, intervals=False
    )
    together = results["margin/repeat-0/concatenated"].metrics
    assert together == pytest.approx({key: found[key] for key in METRICS})


@pytest.mark.long
def test_tables_hold_means_intervals_and_paired_differences(done: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "more")
    found = kinsight.benchmark(out=tmp_path / "more", repeats=3, progress=False)
    results = read_results(tmp_path / "more" / "runs")
    assert numbers(done).items() <= numbers(tmp_path / "more").items()

    def per_repeat(method: str) -> np.ndarray:
        return np.array(
            [
                np.mean([results[f"{method}/repeat-{n}/fold-{f}"].metrics["map_at_r"] for f in range(2)])
                for n in range(3)
            ]
        )

    untrained, margin, grouping = found.rows
    assert (untrained.name, margin.name, grouping.baseline) == ("untrained", "margin", "margin")
    assert margin.cells["separated"]["map_at_r"].value == pytest.approx(per_repeat("margin").mean())
    assert margin.cells["separated"]["map_at_r"].ends == t_interval(per_repeat("margin")).within(0, 1).ends
    difference = per_repeat("grouping-margin") - per_repeat("margin")
    assert grouping.differences["separated"]["map_at_r"].value == pytest.approx(difference.mean())
    lines = {(line["method"], line["protocol"], line["metric"]): line for line in table_lines(tmp_path / "more")}
    assert float(lines["margin", "separated", "map_at_r"]["value"]) == pytest.approx(per_repeat("margin").mean())
    assert lines["margin", "concatenated", "map_at_r"]["repeats"] == "3"
    text = (tmp_path / "more" / "results.tex").read_text()
    assert text.count(r"\\") == 2 + 3
    assert "Concatenated" in text


@pytest.mark.long
def test_the_same_command_has_nothing_to_do_and_another_study_is_refused(done: Path, pictures: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (done / "runs").rglob("*")}
    tiny_study(pictures, done)
    kinsight.benchmark(out=done, progress=False)
    assert before == {file: file.stat().st_mtime_ns for file in (done / "runs").rglob("*")}
    with pytest.raises(KinsightError, match=r"holds another study .*settings.epochs: 1 -> 3"):
        tiny_study(pictures, done, settings={**TINY, "epochs": 3})


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 2}, "trials: 1 -> 2"),
        ({"repeats": 1}, "repeats: 2 -> 1"),
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"data": "other pictures"}, "data: "),
        ({"methods": STUDY.methods[:1]}, "it has the method grouping-margin"),
    ],
)
def test_a_study_that_stands_is_not_changed(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    folder = StudyFolder(tmp_path / "study")
    folder.claim(STUDY)
    assert folder.read() == STUDY
    before = folder.study.read_bytes()
    with pytest.raises(KinsightError, match=f"holds another study .*{said}"):
        folder.claim(replace(STUDY, **changes))
    assert folder.study.read_bytes() == before


@pytest.mark.long
def test_methods_and_repeats_are_added_to_a_study_and_its_pictures_may_move(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study")
    folder.claim(STUDY)
    more = replace(
        STUDY,
        repeats=5,
        methods=(*methods_named(["triplet"]), *STUDY.methods),
        settings={"data": {"path": "elsewhere"}},
    )
    folder.claim(more)
    assert folder.read() == more


def die_after(pictures: Path, out: Path, jobs: int) -> None:
    """Do so many jobs, and die in the middle of the next, by SIGKILL."""
    count = iter(range(jobs + 1))

    def dying(*arguments: Any) -> Any:
        if next(count) == jobs:
            os.kill(os.getpid(), signal.SIGKILL)
        return perform(*arguments)

    engines.perform = dying  # type: ignore[assignment]
    tiny_study(pictures, out)


@pytest.mark.long
def test_killed_between_trainings_it_ends_at_the_same_tables(done: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    shutil.copytree(done, out)
    shutil.rmtree(out / "runs" / "margin" / "trial-0" / "fold-1")
    shutil.rmtree(out / "runs" / "grouping-margin" / "repeat-1")
    left = len(read_results(out / "runs"))
    assert killed(die_after, pictures, out, 2)
    assert len(read_results(out / "runs")) == left + 2
    kinsight.benchmark(out=out, progress=False)
    assert numbers(out) == numbers(done)
    assert table_lines(out) == table_lines(done)


@pytest.mark.slow
def test_killed_three_times_at_any_moment_it_ends_at_the_same_tables(
    done: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    random = np.random.default_rng(0)
    for _ in range(3):
        child = multiprocessing.get_context("fork").Process(target=tiny_study, args=(pictures, out))
        child.start()
        child.join(random.uniform(0.3, 2.0))
        child.kill()
        child.join()
    tiny_study(pictures, out)
    assert numbers(out) == numbers(done)
    assert table_lines(out) == table_lines(done)


@pytest.mark.slow
def test_workers_end_at_the_same_tables(done: Path, pictures: Path, tmp_path: Path) -> None:
    tiny_study(pictures, tmp_path / "workers", jobs=2)
    assert numbers(tmp_path / "workers") == numbers(done)


@pytest.mark.slow
def test_a_cluster_of_two_workers_ends_at_the_same_tables(done: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    tiny_study(pictures, tmp_path / "ray", jobs=2, engine="ray")
    assert numbers(tmp_path / "ray") == numbers(done)


@pytest.mark.long
def test_copies_of_one_model_side_by_side_are_that_model() -> None:
    """Property 6 of the protocol."""
    random = np.random.default_rng(1)
    vectors, labels = random.normal(size=(60, 8)), np.arange(60) % 6
    one = evaluate(vectors, labels, clustering=False, diagnosis=False, intervals=False)
    four = evaluate(side_by_side([vectors] * 4), labels, clustering=False, diagnosis=False, intervals=False)
    assert {key: one[key] for key in METRICS} == {key: four[key] for key in METRICS}


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": 4}, "6 training classes do not give 4 folds of two or more; give at most --folds 3"),
        ({"trials": -1}, "--trials -1 is not allowed"),
        ({"metrics": ("recall_at_one",)}, "does not measure 'recall_at_one'"),
        ({"search": "found"}, "write found-cub, found-cars or found-sop"),
        ({"search": "optuna"}, "--search optuna is not known"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_what_cannot_be_a_study_is_one_sentence(
    pictures: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(KinsightError, match=said):
        tiny_study(pictures, tmp_path / "never", **changes)
    assert not (tmp_path / "never").exists()


@pytest.mark.long
def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="holds no study"):
        kinsight.benchmark(out=tmp_path)
    (tmp_path / "something.txt").write_text("else")
    with pytest.raises(KinsightError, match="is not empty and holds no study"):
        StudyFolder(tmp_path).claim(STUDY)


@pytest.mark.long
def test_published_values_are_repeated_without_a_search(pictures: Path, tmp_path: Path) -> None:
    tiny_study(pictures, tmp_path / "found", methods="triplet", search="found-cars", repeats=1)
    (run,) = (tmp_path / "found" / "runs" / "triplet").iterdir()
    assert run.name == "repeat-0"
    told = json.loads((run / "fold-1" / "protocol.json").read_text())
    assert told["training"]["loss"]["margin"] == 0.119


@pytest.mark.long
def test_trainings_that_fail_are_told_and_end_nothing(pictures: Path, tmp_path: Path) -> None:
    settings = {**TINY, "optimizer": {"head_lr": 1e30}}
    found = tiny_study(pictures, tmp_path / "failed", methods="triplet", settings=settings, repeats=1)
    row = found.rows[-1]
    assert (len(row.failed), row.trials_failed, row.cells) == (2, 2, {})
    assert "are not finite" in row.failed[0]
    assert "Triplet: 2 trainings failed" in (tmp_path / "failed" / "results.md").read_text()
    together = read_results(tmp_path / "failed" / "runs")["triplet/repeat-0/concatenated"]
    assert together.failed == "the training of fold-0 and fold-1 failed"


@pytest.mark.long
def test_a_folder_that_names_code_is_not_gone_on_with_unasked(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "strange")
    file = tmp_path / "strange" / "study.yaml"
    file.write_text(file.read_text().replace("name: margin", "name: canary.Loss"))
    with pytest.raises(
        KinsightError, match=r"study.yaml names canary.Loss, and code that a folder names is not run unasked"
    ):
        kinsight.benchmark(out=tmp_path / "strange", progress=False)


@pytest.mark.long
def test_two_processes_do_not_do_the_same_study(done: Path) -> None:
    with alone(StudyFolder(done)), pytest.raises(KinsightError, match="another process is at the study"):
        kinsight.benchmark(out=done, progress=False)


@pytest.mark.long
def test_a_trunk_that_trains_is_measured_from_pictures(pictures: Path, tmp_path: Path) -> None:
    settings = {**TINY, "optimizer": {"trunk_lr": 1e-3}}
    found = tiny_study(pictures, tmp_path / "trained", methods="triplet", settings=settings, trials=0, repeats=1)
    assert 0 < found.rows[-1].cells["separated"]["map_at_r"].value <= 1
    assert not (tmp_path / "trained" / "features").exists()
    assert "standing still" not in (tmp_path / "trained" / "results.md").read_text()
