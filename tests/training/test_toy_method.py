"""A method and a head with a term of its own plug in: they train, survive a kill, and two processes do what one does."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import toy_parts
from forked_processes import assert_same_run, on_two_processes
from killed_runs import killed, train_and_die
from kinsight.errors import KinsightError
from kinsight.models import Embedder
from kinsight.processes import rank
from kinsight.registry import Named, own_code
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import given_options, settings_from, settings_parser
from kinsight.settings.training import BatchSettings
from kinsight.training import loop, train
from kinsight.training.loop import Training
from kinsight.training.methods import METHODS, PlainMethod
from kinsight.training.tables import prepare_table
from tiny_run import numbers_of, weights_of
from tiny_run import stored_each_step as tiny

TOY: dict[str, Any] = {
    "model": {"head": {"name": "toy_parts.HalvesHead", "dim": 16}},
    "objective": {"loss": {"name": "margin", "learn_beta": True}},
    "method": {"name": "toy_parts.TwoHalves"},
    "data": {"fold": 0},
}


def facts_of(run: Path) -> list[dict[str, Any]]:
    return [record for record in RunFolder(run).history() if record["kind"] == "method"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    out = tmp_path_factory.mktemp("toy") / "run"
    train(tiny(pictures, TOY), out, progress=False)
    return out


def test_they_are_short_and_the_loop_knows_nothing_of_them() -> None:
    for part in (toy_parts.TwoHalves, toy_parts.HalvesHead, toy_parts.Guess):
        assert len(inspect.getsource(part).splitlines()) < 40
    words = inspect.getsource(loop)
    for word in ("groups =", "subspace", "cluster", "branch", "assign", "diversity", "toy", "halves"):
        assert word not in words.replace("groups = make_groups", ""), word


def test_every_batch_is_of_one_half_and_every_term_is_logged(toy: Path, pictures: Path, tmp_path: Path) -> None:
    lines = [line for line in numbers_of(toy) if line["kind"] == "train"]
    assert len(lines) == 9
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss_subset"] + line["loss_guess"], rel=1e-5)
    assert [line["lr_trunk"] == 0 for line in lines] == [False] * 3 + [True] * 3 + [False] * 3
    facts = facts_of(toy)
    assert [(fact["step"], fact["epoch"], fact["splits"]) for fact in facts] == [(0, 1, 1), (3, 2, 2), (6, 3, 3)]
    assert all(sorted(fact["half_of"]) == [0, 0, 1, 1] for fact in facts)
    settings = tiny(pictures, TOY)
    with own_code():
        training = Training(settings, RunFolder(tmp_path / "new"), prepare_table(settings.data), progress=False)
    seen = {}
    for batch in training.inputs.batches(training._batches(0, 0)):
        classes = training.labels[batch.indices.numpy()]
        assert {int(training.method.half_of[label]) for label in classes} == {batch.subset}
        seen[batch.subset] = True
    assert set(seen) == {0, 1}


def test_its_state_is_in_the_checkpoint(toy: Path) -> None:
    (file,) = toy.glob("checkpoints/step-*/method.safetensors")
    saved = load_file(file)
    assert saved["half_of"].tolist() == facts_of(toy)[-1]["half_of"]
    assert saved["splits"] == 3


@pytest.mark.long
@pytest.mark.parametrize("step", [0, 4])
def test_killed_and_gone_on_with_it_comes_to_the_same_end(toy: Path, pictures: Path, tmp_path: Path, step: int) -> None:
    out = tmp_path / "run"
    assert killed(train_and_die, tiny(pictures, TOY), out, step)
    assert (out / "checkpoints" / f"step-{step:09d}" / "method.safetensors").is_file()
    train(tiny(pictures, TOY), out, progress=False)
    assert numbers_of(out) == numbers_of(toy)
    assert facts_of(out) == facts_of(toy)
    assert weights_of(out) == weights_of(toy)
    for name in ("objective", "method", "watch"):
        (one,), (other,) = (run.glob(f"checkpoints/step-*/{name}.safetensors") for run in (out, toy))
        assert one.read_bytes() == other.read_bytes()


def train_in_two(settings: Any, out: Path) -> None:
    # What one process decides counts: the other would split otherwise.
    if rank() == 1:
        toy_parts.TwoHalves.advance = lambda self, epoch: (self.embed(), self.half_of.fill_(1), {})[2]  # type: ignore[assignment,return-value]
    train(settings, out, progress=False)


@pytest.mark.long
def test_two_processes_train_as_one(toy: Path, pictures: Path, tmp_path: Path) -> None:
    assert on_two_processes(train_in_two, tiny(pictures, TOY), tmp_path / "two") == [0, 0]
    assert_same_run(toy, tmp_path / "two")
    assert [fact["half_of"] for fact in facts_of(tmp_path / "two")] == [fact["half_of"] for fact in facts_of(toy)]


def test_batches_must_stay_as_many(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = toy_parts.TwoHalves.__len__
    monkeypatch.setattr(toy_parts.TwoHalves, "__len__", lambda self: count(self) + int(self.splits == 2))
    with pytest.raises(KinsightError, match="gives 4 batches for epoch 2 but gave 3 before the training"):
        train(tiny(pictures, TOY), tmp_path / "run", progress=False)


class Holding(PlainMethod):
    """Keeps the embedder as a module."""

    def __init__(self, labels: np.ndarray, batches: BatchSettings, seed: int, embedder: Embedder) -> None:
        super().__init__(labels, None, batches, seed)
        self.embedder = embedder


def test_a_method_that_holds_the_embedder_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "holding", Named(Holding))
    with pytest.raises(KinsightError, match="the method holding holds the embedder as a part of its own"):
        train(tiny(pictures, {"method": {"name": "holding"}}), tmp_path / "run", progress=False)


def test_a_method_is_chosen_by_name_or_class_path(pictures: Path, tmp_path: Path) -> None:
    given = given_options(settings_parser(), ["--method", "toy_parts.TwoHalves"])
    assert settings_from(given).method == {"name": "toy_parts.TwoHalves"}
    assert settings_from({}).method == {"name": "plain"}
    for name, words in {
        "divsion": "'divsion' is not a known method",
        "torch.nn.Identity": "is not a kinsight.Method class",
    }.items():
        with pytest.raises(KinsightError, match=words):
            train(tiny(pictures, {"method": {"name": name}}), tmp_path / "run", progress=False)
    assert np.array_equal([*tmp_path.iterdir()], [])
