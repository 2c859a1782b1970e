"""Whether training helped: the sentence, its paired interval, and the classes that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluated_runs import PER_CLASS, QUERIES, write_run
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.files import write_json
from kinsight.reading import read_json
from kinsight.runs.folder import RunFolder
from kinsight.runs.gain import gains
from kinsight.runs.ranking import Ranking
from kinsight.show import verdict_text, write_report
from kinsight.show.report.failing_classes import failing_classes, failing_text
from kinsight.show.report.trained_and_untrained import side_by_side
from kinsight.show.report.verdict import Verdict, verdict
from show.made_page import Page
from show.made_run import make_run

BEFORE = (np.arange(QUERIES) % PER_CLASS < 2).astype(float)  # 40 % of every class


def judged(folder: Path, now: np.ndarray, before: np.ndarray | None = BEFORE) -> Verdict:
    if before is not None:
        write_run(folder, queries=before, name="test-untrained")
    write_run(folder, queries=now)
    evaluations = RunFolder(folder).evaluations
    (found,) = side_by_side(evaluations.read_all())
    assert found.trained is not None
    result = verdict(folder, found, gains(evaluations, found.trained))
    assert result is not None
    return result


def test_training_helped(tmp_path: Path) -> None:
    now = (np.arange(QUERIES) % PER_CLASS < 4).astype(float)
    now[0] = 0
    found = judged(tmp_path, now)
    assert found.kind == "better"
    classes = np.arange(QUERIES) // PER_CLASS
    gain = mean_over_classes((now - BEFORE)[::-1], classes[::-1].astype(str)).text(signed=True)
    assert found.text == f"Training helped: P@1 on unseen classes 40.0 -> 76.7, {gain}"
    assert gain.startswith("+36.7 [+")


def test_the_last_checkpoint_is_held_against_the_start_too(tmp_path: Path) -> None:
    write_run(tmp_path, queries=BEFORE, name="test-untrained")
    write_run(tmp_path, queries=np.ones(QUERIES), name="test-last")
    evaluations = RunFolder(tmp_path).evaluations
    (found,) = side_by_side(evaluations.read_all())
    assert found.trained is not None
    result = verdict(tmp_path, found, gains(evaluations, found.trained))
    assert result is not None
    assert result.text.startswith("Training helped: P@1 on unseen classes 40.0 -> 100.0, +60.0 [")
    write_run(tmp_path, queries=BEFORE)
    both = side_by_side(evaluations.read_all())
    assert [(one.name, one.untrained is not None) for one in both] == [("test", True), ("test-last", True)]


def test_seen_classes_do_not_say_whether_training_helped(tmp_path: Path) -> None:
    write_run(tmp_path, queries=BEFORE, name="train-untrained", split="train")
    write_run(tmp_path, queries=np.ones(QUERIES), name="train", split="train")
    evaluations = RunFolder(tmp_path).evaluations
    (found,) = side_by_side(evaluations.read_all())
    assert found.trained is not None
    result = verdict(tmp_path, found, gains(evaluations, found.trained))
    assert result is not None
    assert result.kind == "unknown"
    assert result.text.startswith(
        "Classes that it was trained on do not say whether training helped: P@1 on training classes 40.0 -> 100.0, +60.0 ["
    )


def test_training_did_not_help(tmp_path: Path) -> None:
    found = judged(tmp_path / "worse", BEFORE * (np.arange(QUERIES) % PER_CLASS > 0))
    assert (found.kind, found.claim) == ("worse", "Training did not help")
    full = judged(tmp_path / "full", np.ones(QUERIES), np.ones(QUERIES))
    assert full.text.startswith(
        "There was nothing to gain: P@1 on unseen classes 100.0 -> 100.0, +0.0 [none]: every query"
    )
    same = judged(tmp_path / "same", BEFORE)
    assert same.text == (
        "Training did not help: P@1 on unseen classes 40.0 -> 40.0, +0.0 [none]: every query finds what it found before"
    )


def test_cannot_tell(tmp_path: Path) -> None:
    now = BEFORE.copy()
    now[[0, 1, 7, 12]] = (0, 0, 1, 1)
    now[28] = 1
    found = judged(tmp_path, now)
    assert (found.kind, found.claim) == ("unsure", "Cannot tell whether training helped")
    assert "40.0 -> 43.3, +3.3 [-" in found.figures


def test_without_the_untrained_it_says_how_to_get_it(tmp_path: Path) -> None:
    found = judged(tmp_path, BEFORE, None)
    assert found.kind == "unknown"
    assert found.figures.startswith(f"P@1 on unseen classes 40.0; `kinsight evaluate {tmp_path} --untrained`")


def test_other_queries_are_not_compared(tmp_path: Path) -> None:
    found = judged(tmp_path, BEFORE, BEFORE[:-PER_CLASS])
    assert (found.kind, found.figures) == ("unknown", "P@1 on unseen classes 40.0 -> 40.0, but not on the same queries")


@pytest.mark.long
def test_a_network_that_was_kept_as_it_started_is_said_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "birds", ["auklet", "bobolink"], 6)
    file = run / "evaluation" / "test.json"
    write_json(file, read_json(file) | {"selection": {"by": "map_at_r", "step": 0, "value": 0.5}})
    assert verdict_text(run, "test").startswith("The network as it started was kept: no step of training")
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert text.index("The network as it started was kept") < text.index("P@1")


def test_the_report_opens_with_the_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "birds", ["auklet", "bobolink", "cardinal"], 12, noise=1.6)
    said = verdict_text(run, "test").splitlines()[0].replace("->", "\N{RIGHTWARDS ARROW}")
    claim, figures = said.split(": ", 1)
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert (
        text.index(claim) < text.index(figures) < text.rindex("The worst mistakes") < text.rindex("Classes that fail")
    )
    assert verdict_text(run, "nothing") == ""


def test_classes_that_fail_and_what_they_are_taken_for(tmp_path: Path) -> None:
    labels = np.array(["a", "a", "a", "b", "b", "c_d"])
    ranking = Ranking(
        ids=labels, paths=labels, labels=labels, vectors=np.zeros((6, 2)), query_rows=np.array([0, 1, 2, 3, 4, 5]),
        neighbours=np.array([[1], [3], [5], [4], [3], [0]]), scores=np.ones((6, 1)),
        precision_at_1=np.array([1.0, 0, 0, 1, 1, 0]), average_precision=np.array([1.0, 0, 0, 1, 1, np.nan]),
    )  # fmt: skip
    found = failing_classes(ranking)
    assert found.classes == 2  # a single picture has nothing to find
    assert [(one.title, one.queries, one.wrong, one.taken_for) for one in found.found] == [
        ("a", 3, 2, [("b", 1), ("c_d", 1)])
    ]
    assert found.found[0].right == pytest.approx(1 / 3)
    assert failing_text(found).splitlines() == [
        "1 of 2 classes find another class first more often than their own.",
        "  a: 2 of 3 wrong, taken for b (1), c_d (1)",
    ]


def test_of_pairs_queries_are_counted_and_no_classes(tmp_path: Path) -> None:
    labels = np.array(["a", "b", "c", "a", "b", "c"])
    ranking = Ranking(
        ids=labels, paths=labels, labels=labels, vectors=np.zeros((6, 2)), query_rows=np.array([0, 1, 2]),
        neighbours=np.array([[3], [5], [3]]), scores=np.ones((3, 1)),
        precision_at_1=np.array([1.0, 0, 0]), average_precision=np.array([1.0, 0.5, 0.5]),
    )  # fmt: skip
    assert failing_text(failing_classes(ranking)) == "2 of 3 queries do not find their own first."
