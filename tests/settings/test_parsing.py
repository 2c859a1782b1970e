"""Recipes give defaults, later layers override, and what is not a setting is refused."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kinsight.errors import KinsightError
from kinsight.settings.names import setting_types
from kinsight.settings.parsing import expand_short_options, given_options, settings_from, settings_parser
from kinsight.settings.training import TrainingSettings, check_ranges
from tiny_run import TINY


def given(*arguments: str) -> dict[str, Any]:
    return given_options(settings_parser(), arguments)


def test_nothing_said_gives_the_defaults() -> None:
    assert settings_from() == TrainingSettings()


@pytest.mark.parametrize("layer", [{}, TINY, {"model": {"size": [32, 48]}, "schedule": {"milestones": [3, 5]}}])
def test_settings_written_out_and_read_again_are_the_same(layer: dict[str, Any]) -> None:
    settings = settings_from(layer)
    assert settings_from(asdict(settings)) == settings


def test_later_layers_win_and_neighbours_stay() -> None:
    settings = settings_from({"epochs": 7, "optimizer": {"head_lr": 0.5}}, {"optimizer": {"trunk_lr": 0.25}})
    assert (settings.epochs, settings.optimizer.head_lr, settings.optimizer.trunk_lr) == (7, 0.5, 0.25)
    assert settings.optimizer.weight_decay == TrainingSettings().optimizer.weight_decay


def test_a_recipe_file_gives_defaults_that_the_command_line_overrides(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("epochs: 7\noptimizer: {trunk_lr: 1e-4, head_lr: 2.5E-3}\nmodel: {head: {dim: 64}}\n")
    settings = settings_from(str(recipe), given("--epochs", "9", "--optimizer.loss_lr", "1e-4"))
    assert settings.epochs == 9
    rates = settings.optimizer.trunk_lr, settings.optimizer.head_lr, settings.optimizer.loss_lr
    assert rates == (1e-4, 2.5e-3, 1e-4)


def test_one_option_of_a_choice_keeps_the_others() -> None:
    settings = settings_from({"model": {"head": {"pooling": "max"}}}, given("--model.head.dim", "64"))
    assert settings.model.head == {"name": "linear", "dim": 64, "pooling": "max"}


def test_a_new_choice_drops_the_options_of_the_old_one() -> None:
    recipe = {"objective": {"loss": {"name": "margin", "beta": 0.6}, "miner": {"name": "distance-weighted"}}}
    settings = settings_from(recipe, given("--objective.loss", "triplet"))
    assert settings.objective.loss == {"name": "triplet"}
    assert settings.objective.miner == {"name": "distance-weighted"}
    same = settings_from(recipe, given("--objective.loss", "margin", "--objective.loss.margin", "0.3"))
    assert same.objective.loss == {"name": "margin", "beta": 0.6, "margin": 0.3}


def test_another_optimizer_or_schedule_keeps_rates_and_warm_up() -> None:
    recipe = {"optimizer": {"name": "adam", "trunk_lr": 1e-5}, "schedule": {"warmup": 2.0}}
    settings = settings_from(recipe, given("--optimizer.name", "sgd", "--schedule.name", "constant"))
    assert (settings.optimizer.name, settings.optimizer.trunk_lr) == ("sgd", 1e-5)
    assert (settings.schedule.name, settings.schedule.warmup) == ("constant", 2.0)


def test_short_forms() -> None:
    assert given("--data", "X") == given("--data=X") == {"data": {"path": "X"}}
    assert given("--model.head", "linear") == {"model": {"head": {"name": "linear"}}}
    assert given("--objective.miner=none") == {"objective": {"miner": {"name": "none"}}}
    assert given("--model.head", '{"name": "linear", "dim": 3}') == {"model": {"head": {"name": "linear", "dim": 3}}}
    assert expand_short_options(["--out", "--data"]) == ["--out", "--data.path"]


def test_a_text_may_be_many_digits() -> None:
    digits = "1234567890" * 3
    assert given("--data", digits) == given(f"--data={digits}") == {"data": {"path": digits}}
    assert given("--data.split_by", digits) == {"data": {"split_by": digits}}
    assert given("--model.weights", digits) == {"model": {"weights": digits}}


def test_values_of_the_command_line_have_their_types() -> None:
    settings = settings_from(
        given(
            "--data.fold", "null", "--model.head.dim", "null", "--model.size", "[32,48]", "--model.normalize", "false"
        )
    )
    assert settings.data.fold is None
    assert settings.model.head["dim"] is None
    assert settings.model.size == [32, 48]
    assert settings.model.normalize is False
    loss = settings_from(given("--objective.loss.beta", "1e-3", "--objective.loss.learn_beta", "true")).objective.loss
    assert loss == {"name": "margin", "beta": 1e-3, "learn_beta": True}


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"epohcs": 3}, r"^'epohcs' is not a setting; did you mean 'epochs'\?$"),
        (
            {"optimizer": {"trunk_rat": 1}},
            r"'optimizer.trunk_rat' is not a setting; did you mean 'optimizer.trunk_lr'",
        ),
        ({"zzz": {"a": 1}}, r"'zzz' is not a setting; `kinsight train --help` lists every setting$"),
        ({"data": "birds.csv"}, r"'data' is a group of settings and cannot be 'birds.csv'; write one of data.path, "),
        ({"epochs": "many"}, r"^setting epochs: 'many' is not allowed; write a whole number$"),
        ({"epochs": 2.5}, r"setting epochs: '2.5' is not allowed; write a whole number$"),
        ({"epochs": None}, r"setting epochs: null is not allowed; write a whole number$"),
        (
            {"precision": "fp8"},
            r"setting precision: 'fp8' is not allowed; write one of auto, fastest, fp32, bf16, fp16$",
        ),
        (
            {"model": {"size": "big"}},
            r"model.size: 'big' is not allowed; write a whole number or a list such as \[1, 2\]$",
        ),
        ({"model": {"head": "linear"}}, r"setting model.head: 'linear' is not allowed; write a mapping of options$"),
        ({"compile": "maybe"}, r"setting compile: 'maybe' is not allowed; write true or false$"),
    ],
)
def test_wrong_settings_are_one_sentence(layer: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        settings_from(layer)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--epohcs", "3"], r"^'--epohcs' is not an option; did you mean '--epochs'\?$"),
        (["--epohcs=3"], r"^'--epohcs' is not an option; did you mean '--epochs'\?$"),
        (["--epo", "3"], r"^'--epo' is not an option; did you mean '--epochs'\?$"),
        (["--epochs", "x"], r"^setting epochs: 'x' is not allowed; write a whole number$"),
        (["--epochs"], r"argument --epochs: expected one argument; `kinsight train --help` lists every option$"),
        (["--lr", "0.1"], r"mean '--optimizer.trunk_lr' or '--optimizer.head_lr' or '--optimizer.loss_lr'\?$"),
        (["--batch-size", "8"], r"did you mean '--batches.size'\?$"),
        (["--learning_rate", "8"], r"did you mean '--optimizer.trunk_lr' or "),
        (["--trunk", "resnet18"], r"did you mean '--model.trunk'\?$"),
        (["--worker", "3"], r"did you mean '--data.workers'\?$"),
        (["--epochs", "1" * 19], r"a number of 19 digits"),
        (["stray"], r"^'stray' is not an option; `kinsight train --help` lists every setting$"),
    ],
)
def test_wrong_options_are_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        given(*arguments)


def test_every_setting_has_a_name_and_choices_are_one() -> None:
    names = list(setting_types())
    assert {"data.path", "model.head", "objective.loss", "batches.per_class", "seed"} <= set(names)
    assert not {"model", "model.head.name"} & set(names)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"epochs": 0}, "setting epochs: 0 is not allowed; write 1 or more"),
        ({"patience": 0}, "setting patience: 0 is not allowed; write 1 or more"),
        ({"optimizer": {"head_lr": -1.0}}, r"setting optimizer.head_lr: -1.0 is not allowed; write 0 or more"),
        (
            {"optimizer": {"head_lr": float("nan")}},
            r"setting optimizer.head_lr: nan is not allowed; write 0 or more",
        ),
        ({"seed": 10**18}, "setting seed: 1000000000000000000 is not allowed; write 999999999999999999 or less"),
        ({"log_every": 0}, "setting log_every: 0 is not allowed; write 1 or more"),
    ],
)
def test_numbers_without_sense_are_refused(layer: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        check_ranges(settings_from(layer))
    check_ranges(TrainingSettings())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"optimiser": {"name": "sgd"}}, "'optimiser' is not a setting; it is now called 'optimizer'"),
        ({"optimizer": {"trunk_rate": 1.0}}, "it is now called 'optimizer.trunk_lr'"),
        ({"optimizer": {"loss_rate": 1.0}}, "it is now called 'optimizer.loss_lr'"),
        ({"model": {"l2": True}}, "it is now called 'model.normalize'"),
        (
            {"optimizer": {"other_decays": {"head.queries": 0.1}}},
            "'optimizer.groups', for example {head.queries: {weight_decay",
        ),
    ],
)
def test_an_old_key_is_told_its_new_name(old: dict[str, Any], new: str) -> None:
    with pytest.raises(KinsightError, match=re.escape(new)):
        settings_from(old)


def test_an_old_option_is_told_its_new_name() -> None:
    with pytest.raises(KinsightError, match=r"it is now called '--optimizer\.head_lr'"):
        given_options(settings_parser(), ["--optimiser.head_rate", "0.1"])


def test_parameter_groups_are_set_by_name() -> None:
    groups = {"head.queries": {"weight_decay": 1e-3}, "trunk": {"lr": 0.5, "waits": 2}}
    assert settings_from({"optimizer": {"groups": groups}}).optimizer.groups == groups
    words = ["--optimizer.groups", "{head.queries: {weight_decay: 0.001}}"]
    given = settings_from(given_options(settings_parser(), words))
    assert given.optimizer.groups == {"head.queries": {"weight_decay": 0.001}}
    assert settings_from({"objective": {"terms": {"whole": 0.5}}}).objective.terms == {"whole": 0.5}
