"""What must agree before numbers of runs are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluated_runs import write_run
from kinsight.runs.comparability import disagreements, remarks, sentence
from kinsight.runs.evaluated_run import read_runs

VALUES = {"precision_at_1": 0.5, "nmi": 0.6, "map": 0.4}


def found(tmp_path: Path, *runs: dict[str, Any], metrics: tuple[str, ...] = ("precision_at_1",), name: str = "test"):
    paths = [write_run(tmp_path / f"run-{number}", VALUES, name=name, **run) for number, run in enumerate(runs)]
    return disagreements(read_runs(paths, name), metrics)


def test_what_moves_no_mean_may_differ(tmp_path: Path):
    other = {
        "measured": {"ks": [1, 2, 4], "dimension": 512, "versions": {"torch": "2.7"}, "intervals": None, "seconds": 99},
        "recipe": {"model": {"size": 320, "trunk": "resnet50"}, "epochs": 3},
        "protocol": {"selection": {"by": "last_step", "step": 99}, "data": {"augmentation": "none"}},
    }
    assert found(tmp_path, {}, other) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measured": {"definitions": 2}}, "definitions is 1 in {0}, but 2 in {1}"),
        ({"measured": {"similarity": "dot product"}}, 'similarity is cosine in {0}, but "dot product" in {1}'),
        ({"measured": {"excluded": ["same camera"]}}, 'excluded is none in {0}, but ["same camera"] in {1}'),
        ({"measured": {"labels_digest": "0"}}, "the digest of the evaluated labels differs between {0} and {1}"),
        ({"measured": {"gallery": 7}}, "gallery is 30 in {0}, but 7 in {1}"),
        ({"measured": {"data": {"crop_to_box": True}}}, "data.crop_to_box is false in {0}, but true in {1}"),
        (
            {"measured": {"data": {"digest": "0"}}},
            "what was measured on (the digest of ids, labels and splits) differs",
        ),
        ({"protocol": {"data": {"digest": "0"}}}, "what was trained on (the digest of ids, labels and splits) differs"),
        ({"protocol": {"data": {"splits": {"train": {"classes": 9}}}}}, "the number of training classes is 24 in {0}"),
        ({"split": "validation"}, "the split is test in {0}, but validation in {1}"),
        (
            {"protocol": {"selection": {"by": "map_at_r", "step": 3}}},
            'the choice of the checkpoint is "last step, without validation classes" in {0}, but "best validation MAP@R" in {1}',
        ),
        ({"fold": 0}, "whether validation classes were held out of training is false in {0}, but true in {1}"),
    ],
)
def test_what_moves_a_number_is_named_with_its_runs(tmp_path: Path, change: dict[str, Any], said: str):
    text = " | ".join(map(str, found(tmp_path, {}, {"seed": 1}, change)))
    paths = [f"{tmp_path}/run-0 and 1 more", f"{tmp_path}/run-2"]
    assert said.format(*paths) in text


def test_what_moves_only_some_metrics_matters_only_for_those(tmp_path: Path):
    clusters = {"measured": {"clustering": {"iterations": 5}}}
    ranks = {"measured": {"whole_gallery_ranks": False}}
    assert found(tmp_path / "a", {}, clusters) == []
    assert [each.key for each in found(tmp_path / "b", {}, clusters, metrics=("nmi",))] == ["clustering.iterations"]
    assert found(tmp_path / "c", {}, ranks) == []
    assert [each.key for each in found(tmp_path / "d", {}, ranks, metrics=("map",))] == ["whole_gallery_ranks"]


def test_folds_share_the_test_pictures_but_not_the_data_of_training(tmp_path: Path):
    folds = [{"fold": fold, "seed": seed} for fold in (0, 1) for seed in (0, 1)]
    assert found(tmp_path / "a", *folds) == []
    assert found(tmp_path / "b", *({**each, "split": "validation"} for each in folds), name="validation") == []
    changed = {"fold": 1, "seed": 2, "protocol": {"data": {"digest": "0"}}}
    (one,) = found(tmp_path / "c", *folds, changed)
    assert one.key == "training.data.digest"
    assert one.sides == ((f"{tmp_path}/c/run-2", f"{tmp_path}/c/run-3"), (f"{tmp_path}/c/run-4",))
    keys = [each.key for each in found(tmp_path / "d", {"fold": 0}, {"fold": 1, "protocol": {"data": {"folds": 5}}})]
    assert keys == ["training.data.folds"]


def test_the_same_is_said_once(tmp_path: Path):
    data = {"data": {"crop_to_box": True, "digest": "0"}}
    keys = [each.key for each in found(tmp_path, {}, {"protocol": data, "measured": data})]
    assert keys == ["data.crop_to_box", "data.digest"]


def test_the_sentence_names_three_and_the_way_out(tmp_path: Path):
    measured = {"queries": 1, "gallery": 2, "classes": 3, "similarity": "dot", "definitions": 9}
    text = sentence(found(tmp_path, {}, {"measured": measured}))
    assert text.startswith("the numbers of these runs do not compare: classes is 6 in ")
    assert ", and 2 more; give runs of one protocol, or --anyway" in text


def test_remarks_on_versions_machines_and_unfinished_runs(tmp_path: Path):
    write_run(tmp_path / "a", VALUES)
    write_run(
        tmp_path / "b",
        VALUES,
        seed=1,
        protocol={"training": {"threads": 8}, "versions": {"torch": "2.7"}, "selection": None},
        measured={"versions": {"torch": "2.8"}},
    )
    a, b = tmp_path / "a", tmp_path / "b"
    runs = read_runs([a, b])
    assert remarks(runs[:1]) == []
    assert remarks(runs) == [
        f"The number of threads (minutes) is 1 in {a}, but 8 in {b}.",
        f"Training has not come to its end in {b}.",
        f"The version of torch when training is 2.6.0 in {a}, but 2.7 in {b}.",
        f"The version of torch when evaluating is 2.6.0 in {a}, but 2.8 in {b}.",
    ]
