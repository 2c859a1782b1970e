"""Runs grouped into settings, and how settings are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluated_runs import write_run
from kinsight.errors import KinsightError
from kinsight.runs.evaluated_run import read_runs
from kinsight.runs.repeats import cells_in_words, find_setting, recipe_differences, settings_of

VALUES = {"map_at_r": 0.5}
SMALL = {"model": {"size": 64}}


def settings(*folders: Path):
    return settings_of(read_runs(folders))


def test_runs_that_differ_in_seed_fold_and_free_settings_are_one(tmp_path: Path):
    free = {"data": {"workers": 7, "path": "/elsewhere/birds.zip"}, "checkpoint_minutes": 1, "tensorboard": True}
    found = settings(
        write_run(tmp_path / "b-small-0", VALUES, fold=0, recipe=SMALL),
        write_run(tmp_path / "b-0", VALUES, fold=0),
        write_run(tmp_path / "b-1", VALUES, fold=0, seed=1, recipe=free),
        write_run(tmp_path / "b-f1-s1", VALUES, fold=1, seed=1),
    )
    assert [(one.name, [run.cell for run in one.runs]) for one in found] == [
        ("b-small", [(0, 0)]),
        ("b", [(0, 0), (1, 0), (1, 1)]),
    ]
    assert recipe_differences(found) == {"model.size": {"b-small": 64, "b": 224}}


def test_a_default_that_one_recipe_writes_is_no_difference(tmp_path: Path):
    short = {"model": {"head": {"name": "attentive"}}, "objective": {"loss": {"name": "margin"}, "diversity": {}}}
    long = {
        "model": {"head": {"name": "attentive", "groups": 4, "dim": 512}},
        "objective": {
            "loss": {"name": "margin", "margin": 0.2, "beta": 1.2},
            "miner": {"name": "none"},
            "diversity": {"scale": "paper", "mu": 0.5},
        },
    }
    (one,) = settings(
        write_run(tmp_path / "a-0", VALUES, recipe=short), write_run(tmp_path / "a-1", VALUES, seed=1, recipe=long)
    )
    assert [run.seed for run in one.runs] == [0, 1]
    with pytest.raises(KinsightError, match="have the same settings with seed 1"):
        settings(
            write_run(tmp_path / "b", VALUES, seed=1, recipe=short),
            write_run(tmp_path / "c", VALUES, seed=1, recipe=long),
        )


def test_defaults_of_an_option_that_others_do_not_have_are_not_told(tmp_path: Path):
    heads = {"n": {"name": "linear", "dim": 128}, "a": {"name": "attentive", "reduction": 8}}
    found = settings(
        *(write_run(tmp_path / name, VALUES, recipe={"model": {"head": head}}) for name, head in heads.items())
    )
    assert recipe_differences(found) == {
        "model.head.name": {"n": "linear", "a": "attentive"},
        "model.head.dim": {"n": 128, "a": 512},
        "model.head.reduction": {"n": None, "a": 8},
    }


def test_a_loss_that_is_not_known_here_stays_as_it_is_written(tmp_path: Path):
    loss = {"name": "my.own.Loss", "gamma": 3}
    (one,) = settings(write_run(tmp_path / "a", VALUES, recipe={"objective": {"loss": loss}}))
    assert one.recipe["objective.loss.gamma"] == 3
    assert one.recipe["model.head.dim"] == 512


def test_without_validation_classes_or_with_other_data_it_is_another_setting(tmp_path: Path):
    more = {"data": {"splits": {"test": {"classes": 7}}}}
    found = settings(
        write_run(tmp_path / "a", VALUES, fold=0),
        write_run(tmp_path / "b", VALUES),
        write_run(tmp_path / "c", VALUES, protocol=more),
    )
    assert [one.name for one in found] == ["a", "b", "c"]


def test_weights_that_lie_elsewhere_are_the_same(tmp_path: Path):
    places = [{"model": {"weights": f"/{place}/w.safetensors"}} for place in ("here", "there")]
    (one,) = settings(
        *(write_run(tmp_path / f"a-{seed}", VALUES, seed=seed, recipe=place) for seed, place in enumerate(places))
    )
    assert one.recipe["model.weights"] == "w.safetensors"


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("birds-a-margin-0", "birds-b-margin-0"), ["birds-a-margin", "birds-b-margin"]),
        (("size-224", "size-64"), ["size-224", "size-64"]),  # numbers that are no seed stay
        (("a_seed0", "b.fold1-seed0"), ["a", "b"]),
        (("x-0", "x-1"), ["x-0", "x-1"]),
        (("one/run", "two/run"), ["one/run", "two/run"]),
        (("n/0", "m/0"), ["n", "m"]),
    ],
)
def test_names_of_settings(tmp_path: Path, folders: tuple[str, str], names: list[str]):
    first, second = folders
    found = settings(
        write_run(tmp_path / first, VALUES, seed=0, fold=1),
        write_run(tmp_path / second, VALUES, seed=1 if second == "x-1" else 0, fold=1, recipe=SMALL),
    )
    assert [one.name for one in found] == names


def test_names_share_what_their_folders_share(tmp_path: Path):
    runs = [write_run(tmp_path / f"birds-{place}", VALUES, seed=seed) for seed, place in enumerate(("oak", "oslo"))]
    assert [one.name for one in settings(*runs)] == ["birds-o"]


def test_two_runs_of_one_seed_are_refused(tmp_path: Path):
    runs = [write_run(tmp_path / name, VALUES, seed=3, fold=1) for name in ("a", "b")]
    with pytest.raises(KinsightError, match=r"a and .*b have the same settings with seed 3 and fold 1; leave one"):
        settings(*runs)


def test_baseline_by_name_run_part_or_end(tmp_path: Path):
    sizes = {"birds-n-0": 64, "birds-an-0": 65, "birds-margin-0": 66, "cars-0": 67}
    found = settings(
        *(write_run(tmp_path / name, VALUES, recipe={"model": {"size": size}}) for name, size in sizes.items())
    )
    for wanted, name in ((None, "birds-n"), ("birds-an", "birds-an"), ("n", "birds-n"), ("margin", "birds-margin")):
        assert find_setting(found, wanted).name == name
    for wanted, name in (
        ("birds-an-0", "birds-an"),
        (str(tmp_path / "cars-0"), "cars"),
        ("ca", "cars"),
        ("gin", "birds-margin"),
    ):
        assert find_setting(found, wanted).name == name
    with pytest.raises(KinsightError, match="'birds' may be any of birds-n, birds-an, birds-margin; write the whole"):
        find_setting(found, "birds")
    with pytest.raises(KinsightError, match="'xyz' is none of the settings compared; write one of: birds-n, birds-an"):
        find_setting(found, "xyz")


def test_cells_in_words():
    assert cells_in_words([(1, None), (0, None)]) == "seed 0, 1"
    assert cells_in_words([(0, 2), (3, 1)]) == "fold 2 seed 0; fold 1 seed 3"
