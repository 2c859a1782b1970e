"""A stranger's folder runs nothing: no module that a run or a model names is imported by a verb that reads it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import kinsight
from cli.conftest import kinsight as called
from kinsight.models import build_embedder
from kinsight.runs.evaluated_run import read_runs
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from tiny_run import finished, pictures

__all__ = ["called", "finished", "pictures"]

# Would work as whatever it is named for, so that nothing but the refusal keeps it from being used.
CANARY = """
from pathlib import Path
Path(__file__).with_name("canary-sang").touch()
import torch
from torch import nn
from kinsight.models import Embedding
class Part(nn.Module):
    weight = 0.01
    def __init__(self, channels=16, map_size=(1, 1), **options):
        super().__init__()
        self.dim = 16
    def forward(self, *given, **more):
        return Embedding.single(given[0].mean((2, 3)))
"""


def twin(run: Path) -> Path:
    """The same again, for verbs that want two."""
    return shutil.copytree(run, run.with_name("twin"), dirs_exist_ok=True)


PART = {"name": "canary.Part"}
PATH = "canary.Part"
Changed = Callable[[dict[str, Any]], None]


def objective(recipe: dict[str, Any]) -> None:
    recipe["objective"] = {"loss": dict(PART), "miner": dict(PART), "diversity": dict(PART)}


def parts_of_the_objective(recipe: dict[str, Any]) -> None:
    parts = ("distance", "reducer", "embedding_regularizer", "weight_regularizer")
    loss = {"name": "contrastive", **dict.fromkeys(parts, PART)}
    miner = {"name": "pytorch_metric_learning.miners.AngularMiner", "distance": PART}
    recipe["objective"] = {"loss": loss, "miner": miner, "diversity": {"mu": PART}}


def deep_in_the_objective(recipe: dict[str, Any]) -> None:
    inner = {"name": "pytorch_metric_learning.losses.CrossBatchMemory", "loss": PART, "embedding_size": 16}
    recipe["objective"]["loss"] = {"name": "pytorch_metric_learning.losses.CrossBatchMemory", "loss": inner}


def head(settings: dict[str, Any]) -> None:
    settings.get("model", settings)["head"] = dict(PART)


def option_of_the_head(settings: dict[str, Any]) -> None:
    settings.get("model", settings)["head"]["pooling"] = PART


def another_option_of_the_head(settings: dict[str, Any]) -> None:
    settings.get("model", settings)["head"]["more"] = PART


def trunk(settings: dict[str, Any]) -> None:
    settings.get("model", settings)["trunk"] = PATH


def option_of_the_trunk(settings: dict[str, Any]) -> None:
    settings.get("model", settings)["trunk_options"] = {"block": PART, "act_layer": PATH}


def method(recipe: dict[str, Any]) -> None:
    recipe["method"] = dict(PART)


def optimizer(recipe: dict[str, Any]) -> None:
    recipe["optimizer"]["name"] = PATH


MODEL = (head, option_of_the_head, another_option_of_the_head, trunk, option_of_the_trunk)
NAMED = (objective, head, trunk, method, optimizer)
INSIDE = [
    pytest.param(change, marks=pytest.mark.slow)
    for change in (
        parts_of_the_objective,
        deep_in_the_objective,
        option_of_the_head,
        another_option_of_the_head,
        option_of_the_trunk,
    )
]
VERBS: dict[str, Callable[[Path, Path], list[Any]]] = {
    "compare": lambda run, table: ["compare", run, run],
    "evaluate": lambda run, table: ["evaluate", run],
    "evaluate a model": lambda run, table: ["evaluate", run / "model", "--data", table],
    "evaluate --untrained": lambda run, table: ["evaluate", run, "--untrained", "--groups"],
    "calibrate": lambda run, table: ["calibrate", run, "--split", "test"],
    "explain": lambda run, table: ["explain", run, *sorted(table.parent.glob("class_00/*.png"))[:2], "--out", run.parent / "p.html"],
    "embed": lambda run, table: ["embed", run, table, "--out", run.parent / "e.npz", "--workers", 0],
    "embed with a model": lambda run, table: ["embed", run / "model", table, "--out", run.parent / "e.npz", "--workers", 0],
    "localize": lambda run, table: ["localize", run],
    "correspond": lambda run, table: ["correspond", run],
    "faithfulness": lambda run, table: ["faithfulness", run, "--pairs", 2, "--methods", "grad-cam"],
    "diagnose": lambda run, table: ["diagnose", run, twin(run), "--limit", 4, "--pairs", 1],
    "groups": lambda run, table: ["groups", run],
    "atlas": lambda run, table: ["atlas", run, "--method", "pca", "--out", run.parent / "a.html"],
    "report": lambda run, table: ["report", run],
    "train": lambda run, table: ["train", "--out", run],
    "train further": lambda run, table: ["train", "--out", run, "--epochs", 4],
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, finished: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run in a folder where the canary can be imported, as a user stands in a folder that somebody sent."""
    (tmp_path / "canary.py").write_text(CANARY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copytree(finished, tmp_path / "run")
    yield tmp_path / "run"
    sang = (tmp_path / "canary-sang").exists() or "canary" in sys.modules
    sys.modules.pop("canary", None)
    assert not sang


def change_recipe(run: Path, change: Changed) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    change(recipe)
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def change_config(run: Path, change: Changed) -> None:
    config = json.loads((run / "model" / "config.json").read_text())
    change(config["settings"])
    (run / "model" / "config.json").write_text(json.dumps(config))


@pytest.mark.long
@pytest.mark.parametrize("change", [*NAMED, *INSIDE], ids=lambda change: change.__name__)
def test_a_recipe_of_a_stranger(called: Any, run: Path, pictures: Path, change: Changed) -> None:
    assert called("evaluate", run).code == 0
    change_recipe(run, change)
    for verb in ("compare", "evaluate --untrained", "train", "train further", "report"):
        said = called(*VERBS[verb](run, pictures))
        assert said.code in (0, 1), said.err
        assert "Traceback" not in said.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reads_a_hostile_recipe(called: Any, run: Path, pictures: Path, verb: str) -> None:
    for change in (objective, head, trunk):
        change_recipe(run, change)
    said = called(*VERBS[verb](run, pictures))
    assert said.code in (0, 1), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("change", MODEL, ids=lambda change: change.__name__)
def test_every_verb_reads_a_hostile_model(called: Any, run: Path, pictures: Path, change: Changed) -> None:
    shutil.rmtree(run / "model-last", ignore_errors=True)
    change_config(run, change)
    reading = [verb for verb in VERBS if verb not in ("compare", "report", "train", "train further")]
    for verb in reading if change in (head, trunk) else ("evaluate", "embed with a model"):
        said = called(*VERBS[verb](run, pictures))
        assert said.code == 1, (verb, said.out)
        if change in (head, trunk):
            assert "canary.Part is a class path, and code that a folder names is not run unasked" in said.sentence, verb
            assert "--own-code" in said.sentence
    for folder in (run, run / "model"):
        with pytest.raises(kinsight.KinsightError):
            kinsight.load(folder)


@pytest.mark.long
def test_python_reads_it_as_text(run: Path, called: Any) -> None:
    assert called("evaluate", run).code == 0
    for change in (objective, head, trunk):
        change_recipe(run, change)
    (read,) = read_runs([run])
    assert (
        read.settings["objective.loss.name"] == read.settings["model.head.name"] == read.settings["model.trunk"] == PATH
    )
    settings = settings_from(RunFolder(run).settings())
    with pytest.raises(kinsight.KinsightError, match="is a class path"):
        build_embedder(settings.model)


def test_going_on_asks_for_the_owner_s_word(called: Any, run: Path) -> None:
    change_recipe(run, objective)
    said = called("train", "--out", run)
    assert "recipe.yaml names canary.Part, and code that a folder names is not run unasked" in said.sentence
    assert "--own-code" in said.sentence


def test_the_owner_s_word_is_enough(
    called: Any, finished: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary sings where it may: the tests above would notice it."""
    (tmp_path / "canary.py").write_text(CANARY)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "run")
    change_config(tmp_path / "run", head)
    for own, sang in (([], False), (["--own-code"], True)):
        assert "canary.Part" in called(*VERBS["embed"](tmp_path / "run", pictures), *own).sentence or sang
        assert (tmp_path / "canary-sang").exists() is sang
    sys.modules.pop("canary")
