"""What a finished run is good for beyond its own evaluation: given more epochs, started from, trained on every class."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from kinsight.runs.folder import RunFolder
from kinsight.training.checkpoints import newest_checkpoint, read_position
from kinsight.training.loop import Training
from tiny_run import TINY, dumped, numbers_of, weights_of

Call = Callable[..., Any]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The tiny settings as a recipe file."""
    (tmp_path / "tiny.yaml").write_text(dumped(TINY))
    return tmp_path / "tiny.yaml"


@pytest.mark.long
def test_a_finished_run_is_extended_to_the_same_numbers_whether_killed_or_not(
    kinsight: Call, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (Path(shutil.copytree(finished, tmp_path / name)) for name in ("whole", "cut"))
    said = kinsight("train", "--out", whole, "--epochs", 5)
    assert said.code == 0, said.err
    assert "extended from 3 to 5 epochs: the cosine schedule spans them all, so rates go on at 35%" in said.err
    history = numbers_of(whole)
    assert history[: len(numbers_of(finished))] == numbers_of(finished)
    assert max(record["step"] for record in history) == 15
    protocol = RunFolder(whole).read_protocol()
    assert (protocol.training.extended_from, protocol.training.steps_done) == ([3], 15)
    assert protocol.selection is not None

    step = Training._step
    for stopped in (9, 13):  # before anything of the extension is stored, and within it

        def interrupted(self: Training, *arguments: Any, at: int = stopped) -> None:
            if self.position.step == at:
                raise KeyboardInterrupt
            step(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Training, "_step", interrupted)
            assert kinsight("train", "--out", cut, "--epochs", 5).code == 130
    assert RunFolder(cut).read_protocol().selection is None
    assert "more epochs extend it" in kinsight("train", "--out", cut, "--epochs", 7).sentence
    assert kinsight("train", "--out", cut).code == 0
    assert (numbers_of(cut), weights_of(cut)) == (history, weights_of(whole))
    assert RunFolder(cut).read_protocol().training.extended_from == [3]
    for options in ((), ("--epochs", 5)):
        assert "is finished after 15 steps; there is nothing to do" in kinsight("train", "--out", cut, *options).err
    assert "holds a run with other settings (epochs: 5 -> 4)" in kinsight("train", "--out", cut, "--epochs", 4).sentence


@pytest.mark.long
def test_a_run_starts_from_another(
    kinsight: Call, finished: Path, pictures: Path, recipe: Path, tmp_path: Path
) -> None:
    still = (
        "--optimizer.trunk_lr",
        0,
        "--optimizer.head_lr",
        0,
        "--epochs",
        1,
        "--data",
        pictures,
        "--batches.size",
        8,
    )
    said = kinsight("train", *still, "--model.weights", finished, "--out", tmp_path / "a", "--precision", "fp32")
    assert said.code == 0, said.err
    assert f"starting from {finished}: its trunk and its head were taken" in said.err
    (taken,) = (tmp_path / "a").glob("checkpoints/step-*/model.safetensors")
    before, after = load_file(finished / "model" / "model.safetensors"), load_file(taken)
    assert all(
        (before[name] == after[name]).all() for name in before if "running" not in name and "num_batches" not in name
    )
    known, own = RunFolder(finished).settings()["model"], RunFolder(tmp_path / "a").settings()["model"]
    assert [own[name] for name in ("trunk", "size", "resize")] == [known[name] for name in ("trunk", "size", "resize")]
    assert own["head"].items() >= known["head"].items()
    assert own["weights"] == str(finished)

    divided = (*still, "--method", "division", "--method.subspaces", 2, "--out", tmp_path / "divided")
    said = kinsight("train", *divided, "--model.weights", finished, "--precision", "fp32")
    assert said.code == 0, said.err
    assert f"starting from {finished}: its trunk and its head were taken" in said.err
    (taken,) = (tmp_path / "divided").glob("checkpoints/step-*/model.safetensors")
    after = load_file(taken)
    heads = {name: value for name, value in before.items() if name.startswith("head.")}
    assert heads
    assert all((value == after[f"head.{name}"]).all() for name, value in heads.items())

    words = ("--recipe", recipe, "--model.head.dim", 8, "--epochs", 1, "--data", pictures, "--out", tmp_path / "b")
    said = kinsight("train", *words, "--model.weights", finished / "model")
    assert "its trunk was taken; its head does not fit (" in said.err
    assert said.code == 0
    said = kinsight("train", "--data", pictures, "--model.weights", pictures.parent, "--out", tmp_path / "c")
    assert "holds no trained model; give a run that has one" in said.sentence
    said = kinsight("train", *words[:-1], tmp_path / "d", "--model.weights", finished, "--model.trunk", "resnet18")
    assert "does not fit: " in said.sentence


@pytest.mark.long
def test_every_class_trains_and_none_is_left_to_measure(
    kinsight: Call, recipe: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "use"
    said = kinsight("train", "--recipe", recipe, "--data", pictures, "--data.split", "all", "--epochs", 1, "--out", out)
    assert said.code == 0, said.err
    protocol = RunFolder(out).read_protocol()
    assert (protocol.data.split, protocol.data.fold, protocol.data.splits["train"].classes) == ("all", None, 12)
    assert set(protocol.data.splits) == {"train"}
    assert "every class of" in kinsight("evaluate", out).sentence
    said = kinsight("evaluate", out, "--split", "train", "--k", 1, "--mistakes", 0, "--no-untrained")
    assert said.code == 0, said.err
    assert "The model was trained on these classes: these numbers say nothing of classes" in said.out
    assert RunFolder(out).evaluations.names() == ["train"]
    assert (
        kinsight("evaluate", out, "--data", pictures, "--k", 1, "--mistakes", 0).code == 0
    )  # other data, as far as anybody knows
    assert read_position(newest_checkpoint(out / "checkpoints") or out).planned == 1
