"""`kinsight train`: starting, going on, and every way to be refused."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from kinsight.models.trunk import Trunk
from kinsight.runs.folder import RunFolder
from kinsight.settings.described import described_settings
from kinsight.settings.names import SHORT, setting_types
from kinsight.training.loop import Training
from tiny_run import EACH_STEP, TINY, draw_pictures, dumped, numbers_of, weights_of, write_table

Call = Callable[..., Any]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The tiny settings as a recipe file."""
    (tmp_path / "tiny.yaml").write_text(dumped({**TINY, **EACH_STEP}))
    return tmp_path / "tiny.yaml"


@pytest.mark.long
def test_train_interrupt_and_go_on_with_out_alone(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    whole = Training._step

    def interrupted(self: Training, *arguments: Any) -> None:
        if self.position.step == 5:
            raise KeyboardInterrupt
        whole(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", interrupted)
        said = kinsight("train", "--data", pictures, "--recipe", recipe, "--out", out)
    assert said.code == 130
    assert said.err.endswith(f"kinsight: stopped; step 5 is stored; `kinsight train --out {out}` goes on from there\n")
    said = kinsight("train", "--out", out)
    assert said.code == 0
    assert "going on at step 5 of 9" in said.err
    assert "epoch 3/3: validation MAP@R" in said.err
    chosen = RunFolder(out).read_protocol().selection
    assert chosen is not None
    assert f"{out}/model is ready (validation MAP@R {chosen.value:.4f} and P@1 " in said.err
    assert said.err.endswith(f"; next: kinsight evaluate {out}\n")
    assert numbers_of(out) == numbers_of(finished)
    assert weights_of(out) == weights_of(finished)
    said = kinsight("train", "--out", out)
    assert (said.code, said.err) == (0, f"{out} is finished after 9 steps; there is nothing to do\n")
    said = kinsight("train", "--out", out, "--seed", 4)
    assert "holds a run with other settings (seed: 0 -> 4)" in said.sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--epohcs", "3"], "'--epohcs' is not an option; did you mean '--epochs'?"),
        (["--epochs", "x"], "setting epochs: 'x' is not allowed; write a whole number"),
        (["--epochs", "0"], "setting epochs: 0 is not allowed; write 1 or more"),
        (["--recipe", "nonsense"], "there is no recipe 'nonsense' and no such YAML file; "),
        (["--model.trunk", "resnt50"], "trunk 'resnt50' is not a network of timm; did you mean "),
        (["--model.head", "cubic"], "'cubic' is not a known head; choose linear, multi-linear"),
        (["--model.head.depth", "2"], "head linear: 'depth' is not one of its options; it takes "),
        (["--objective.loss", "tripplet"], "'tripplet' is not a known loss (did you mean triplet"),
        (["--objective.loss.betta", "1"], "loss margin: 'betta' is not one of its options (did you mean beta"),
        (["--objective.miner", "hardest"], "'hardest' is not a known miner"),
        (["--data.augmentation", "wild"], "augmentation 'wild'"),
        (["--data", "/nowhere/birds.csv"], "/nowhere/birds.csv does not exist; give a CSV or parquet file"),
        (["--model.weights", "/nowhere/w.safetensors"], "weights file /nowhere/w.safetensors does not exist"),
        (["--batches.size", "64"], "a batch of 64 with 4 pictures a class needs 16 classes but"),
    ],
)
def test_bad_options_are_one_sentence_and_leave_nothing(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path, options: list[str], sentence: str
) -> None:
    out = tmp_path / "run"
    said = kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out, *options)
    assert said.sentence.startswith(sentence)
    assert not out.exists()


def test_what_must_be_given(kinsight: Call, tmp_path: Path) -> None:
    for options in (["--epochs", 2], ["--out", tmp_path / "run"]):
        assert kinsight("train", *options).sentence.startswith("no data were given; add --data with a table")
    assert kinsight("train", "a", "--data", "b").sentence == "a and --data were given; give the pictures once"
    assert not (tmp_path / "run").exists()


SMALL = (
    "--model.trunk", "test_resnet", "--model.size", 32, "--model.resize", 32, "--epochs", 2, "--validate_every", 1,
    "--data.workers", 0,
)  # fmt: skip


@pytest.mark.long
def test_a_folder_and_nothing_else_is_enough(
    kinsight: Call, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KINSIGHT_WEIGHTS", raising=False)
    photos = tmp_path / "photos"
    shutil.copytree(pictures.parent, photos, ignore=shutil.ignore_patterns("*.csv"))
    said = kinsight("train", photos, *SMALL)
    assert said.code == 0, said.err
    lines = said.err.splitlines()
    assert lines[0] == "data: 36 pictures of 6 classes to train on; 6 other classes are left for `kinsight evaluate`"
    assert lines[1].startswith(
        "trunk: test_resnet with random weights, of which little can be expected; give pretrained"
    )
    assert "run folder: runs/photos (--out chooses another)" in lines
    assert re.fullmatch(r"runs/photos/model is ready \(validation .+\); next: kinsight evaluate runs/photos", lines[-1])
    recipe = (tmp_path / "runs" / "photos" / "recipe.yaml").read_text()
    assert recipe.startswith(f"# {lines[0]}\n# {lines[1]}\n")
    assert RunFolder("runs/photos").settings()["epochs"] == 2
    # The same command comes back to its run; another one, or other pictures, overwrite nothing.
    assert "runs/photos is finished after" in kinsight("train", photos, *SMALL).err
    assert "run folder: runs/photos-2 " in kinsight("train", photos, *SMALL, "--seed", 1).err
    (photos / "class_11" / "5.png").unlink()
    assert "run folder: runs/photos-3 " in kinsight("train", photos, *SMALL).err


@pytest.mark.slow
def test_weights_of_the_environment_are_taken_and_the_run_starts_as_their_network(
    kinsight: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = draw_pictures(tmp_path / "photos", classes=16, per_class=4)
    trunk = Trunk("test_resnet", seed=1)
    save_file(
        {name: value.numpy() for name, value in trunk.network.state_dict().items()}, "test_resnet_mine.safetensors"
    )
    monkeypatch.setenv("KINSIGHT_WEIGHTS", "test_resnet_mine.safetensors")
    said = kinsight("train", table, "--epochs", 1, "--data.workers", 0)
    assert said.code == 0, said.err
    lines = said.err.splitlines()
    assert lines[1] == "trunk: test_resnet with the weights test_resnet_mine.safetensors (KINSIGHT_WEIGHTS)"
    assert lines[2].startswith("input: 64 x 64 pixels")
    assert "fitting the head to 24 training pictures" in lines
    settings = RunFolder("runs/pictures").settings()
    assert Path(settings["model"]["weights"]) == tmp_path / "test_resnet_mine.safetensors"
    assert settings["model"]["head"] == {"name": "linear", "dim": None, "pooling": "avg", "init": "within-class"}
    start = next(line for line in lines if line.startswith("start: validation"))
    assert kinsight("evaluate", "runs/pictures", "--split", "validation", "--untrained", "--k", 1).code == 0
    (untrained,) = [
        record for record in RunFolder("runs/pictures").evaluations.read_all() if record.model == "untrained"
    ]
    assert f"MAP@R {untrained.metrics['map_at_r']:.4f}" in start


@pytest.mark.long
def test_a_recipe_is_lowered_to_what_the_data_fill_unless_it_was_written(
    kinsight: Call, tmp_path: Path, pictures: Path
) -> None:
    command = ("train", pictures, "--recipe", "photos-mobilenetv2", "--out", tmp_path / "run", *SMALL)
    command += ("--model.trunk", "mobilenetv2_035")
    sentence = kinsight(*command, "--batches.size", 60, "--batches.per_class", 5).sentence
    assert sentence.startswith(
        "a batch of 60 with 5 pictures a class needs 12 classes but the training pictures have 4"
    )
    said = kinsight(*command)
    assert said.code == 0, said.err
    assert "data.folds: 3 instead of 4, so that 2 of the 6 training classes or more validate" in said.err
    assert "batches.size: 20 instead of 60, which is what 24 training pictures of 4 classes fill" in said.err
    stored = RunFolder(tmp_path / "run").settings()
    assert (stored["data"]["folds"], stored["batches"]["size"], stored["epochs"]) == (3, 20, 2)


@pytest.mark.slow
def test_a_real_interrupt_is_answered_at_once_and_its_message_is_true(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path
) -> None:
    out = tmp_path / "run"
    command = ["train", "--data", str(pictures), "--recipe", str(recipe), "--out", str(out), "--data.workers", "1"]
    # What a shell starts in the background ignores SIGINT, and all that it starts does too.
    heard = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from kinsight.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, *command, "--epochs", "9999"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None and not list(out.glob("checkpoints/step-*")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        stopped = time.monotonic()
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, said
        assert time.monotonic() - stopped < 10  # a second or two where the machine has nothing else to do
    (checkpoint,) = out.glob("checkpoints/step-*")
    step = int(checkpoint.name.removeprefix("step-"))
    assert (
        said.splitlines()[-1]
        == f"kinsight: stopped; step {step} is stored; `kinsight train --out {out}` goes on from there"
    )
    assert "Traceback" not in said


def test_an_unknown_key_in_a_recipe(kinsight: Call, tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "bad.yaml").write_text("optimizer: {trunk_rat: 1}\n")
    said = kinsight("train", "--recipe", tmp_path / "bad.yaml", "--data", pictures, "--out", tmp_path / "run")
    assert said.sentence == "'optimizer.trunk_rat' is not a setting; did you mean 'optimizer.trunk_lr'?"
    (tmp_path / "bad.yaml").write_text("optimizer: {trunk_lr: [\n")
    said = kinsight("train", "--recipe", tmp_path / "bad.yaml", "--data", pictures, "--out", tmp_path / "run")
    assert "is not valid YAML" in said.sentence


def test_a_foreign_folder(kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path) -> None:
    said = kinsight("train", "--recipe", recipe, "--data", pictures, "--out", tmp_path)
    assert said.sentence == f"{tmp_path} is not empty and holds no run; give a new or empty folder as --out"
    assert [entry.name for entry in tmp_path.iterdir()] == [recipe.name]


def rows_of(pictures: Path, train: int = 24, test: int = 12) -> list[dict[str, Any]]:
    files = sorted(pictures.parent.glob("*/*.png"))[: train + test]
    return [
        {"path": str(file), "label": file.parent.name, "split": "train" if number < train else "test"}
        for number, file in enumerate(files)
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"split": "trian"}, "table.csv row 2, column split: 'trian' is not a split; write train, validation or test"),
        ({"split": "test"}, "table.csv column split: class class_00 is both in train (5 pictures) and in test (1)"),
        ({"path": "/nowhere/a.png"}, "table.csv row 2, column path: "),
        ({"label": ""}, "table.csv row 2, column label: it is empty"),
    ],
)
def test_tables_that_are_not_sound(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path, change: dict[str, str], sentence: str
) -> None:
    rows = rows_of(pictures)
    rows[0] |= change
    table = write_table(tmp_path / "table.csv", rows)
    said = kinsight("train", "--recipe", recipe, "--data", table, "--out", tmp_path / "run")
    assert said.sentence.replace("table.csv: ", "table.csv ").startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_a_class_with_one_picture_trains(kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path) -> None:
    rows = rows_of(pictures)
    rows[0]["label"] = "only one"
    table = write_table(tmp_path / "table.csv", rows)
    options = ("--data.fold", "null", "--epochs", 1, "--batches.per_class", 2)
    assert kinsight("train", "--recipe", recipe, "--data", table, "--out", tmp_path / "run", *options).code == 0
    assert (
        "1 class with one picture in train form no pair in training (only one)" in kinsight("data", "check", table).out
    )


def test_a_corrupt_picture_is_refused_or_skipped_by_name(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path
) -> None:
    rows = rows_of(pictures)
    (tmp_path / "corrupt.png").write_bytes(b"\x89PNG nothing more")
    rows[0]["path"] = str(tmp_path / "corrupt.png")
    table = write_table(tmp_path / "table.csv", rows)
    options = ("--data.fold", "null", "--epochs", 1, "--batches.size", 24, "--batches.per_class", 6)
    command = ("train", "--recipe", recipe, "--data", table, "--out", tmp_path / "run", *options)
    said = kinsight(*command)
    assert f"{tmp_path}/corrupt.png" in said.sentence
    assert said.sentence.endswith("or leave such pictures out with --data.on_unreadable skip")
    said = kinsight(*command, "--data.on_unreadable", "skip")
    assert said.code == 0
    assert f"left out: {tmp_path}/corrupt.png" in said.err


def test_a_loss_that_is_not_finite(kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path) -> None:
    rates = [f"--optimizer.{part}_lr=1e30" for part in ("trunk", "head", "loss")]
    options = ("--out", tmp_path / "run", "--optimizer.name", "sgd", *rates)
    said = kinsight("train", "--recipe", recipe, "--data", pictures, *options)
    assert said.sentence.startswith("step ")
    assert "class_0" in said.sentence
    assert "the loss margin" in said.sentence


@pytest.mark.long
def test_no_space_left(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("kinsight.files.os.fsync", full)
        said = kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out)
        assert (
            said.sentence
            == f"{out}/recipe.yaml could not be written: no space is left there; free some or choose another folder"
        )
        assert list(out.iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr("kinsight.training.checkpoints.save_file", full)
        said = kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out)
        assert "checkpoints/step-000000001 could not be written: no space is left there" in said.sentence
        assert list((out / "checkpoints").iterdir()) == []
    assert kinsight("train", "--out", out).code == 0  # after some space was made
    assert len(numbers_of(out)) == 13


def test_a_checkpoint_of_another_model(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_close_epoch", stop)
        assert kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out).code == 130
    (file,) = out.glob("checkpoints/step-*/model.safetensors")
    tensors = load_file(file)
    save_file({f"other.{name}": value for name, value in tensors.items()}, file)
    before = (out / "metrics.jsonl").read_text()
    sentence = kinsight("train", "--out", out).sentence
    assert "does not fit the model of this run" in sentence
    assert sentence.endswith("remove the checkpoints folder to start anew")
    assert (out / "metrics.jsonl").read_text() == before


def test_help_says_what_every_setting_means(kinsight: Call) -> None:
    said = kinsight("train", "--help")
    assert said.code == 0
    text = " ".join(said.out.split())
    shorter = {full.removeprefix("--"): short for short, full in SHORT.items()}
    settings = [each for group in described_settings() for each in group.settings]
    assert {each.name for each in settings} == set(setting_types())
    for each in settings:
        assert each.meaning, each.name
        assert each.meaning in text, each.name
        assert f"{shorter.get(each.name, f'--{each.name}')} " in text
    beginning = said.out[: said.out.index("data: ")]
    assert all(option in beginning for option in ("--data", "--recipe", "--out", "--epochs", "--optimizer.trunk_lr"))
    assert "--data.workers" not in beginning


def test_a_run_that_was_refused_before_it_began_can_be_given_other_settings(
    kinsight: Call, tmp_path: Path, recipe: Path, pictures: Path
) -> None:
    out = tmp_path / "run"
    assert kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out, "--model.trunk", "resnt").code == 1
    assert kinsight("train", "--recipe", recipe, "--data", pictures, "--out", out, "--epochs", 1).code == 0
    assert RunFolder(out).settings()["epochs"] == 1
