"""What people give by mistake: numbers out of range, places that cannot be written, names that are none; each is one sentence."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsight.cli import main
from kinsight.cli.options import hyphened, underscored
from kinsight.pictures import loading

Call = Callable[..., Any]
HUGE = 10**30


@pytest.fixture(scope="module")
def run(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that may be written into."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("runs") / "run"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("localize", "--limit", -1), "limit is -1; write 1 or more"),
        (("localize", "--seed", -1), "seed is -1; write a whole number from 0 to 4294967295"),
        (("localize", "--seed", HUGE), "seed is a number of over 30 digits; write a whole number from 0 to 4294967295"),
        (("localize", "--stage", -1), "stage is -1; write 0 or more"),
        (("correspond", "--per-class", 0), "per_class is 0; write 1 or more"),
        (("correspond", "--per_class", -2), "per_class is -2; write 1 or more"),
        (("faithfulness", "--pairs", 1), "pairs is 1; write 2 or more"),
        (("groups", "--shown", 0), "shown is 0; write 1 or more"),
        (("evaluate", "--k", 0), "k is 0; write 1 or more"),
        (("evaluate", "--k", 1, HUGE), f"k {HUGE} is larger than the gallery"),
    ],
)
def test_numbers_of_a_run(kinsight: Call, run: Path, options: tuple[Any, ...], sentence: str) -> None:
    verb, *others = options
    assert kinsight(verb, run, *others).sentence.startswith(sentence)


def test_other_numbers(kinsight: Call, run: Path, pictures: Path, tmp_path: Path) -> None:
    a = pictures.parent / "class_00" / "0.png"
    embed = ("embed", run, pictures, "--out", tmp_path / "e.npz")
    assert kinsight(*embed, "--batch-size", 0).sentence == "batch_size is 0; write 1 or more"
    assert kinsight(*embed, "--workers", -1).sentence == "workers is -1; write 0 or more"
    explain = ("explain", run, a, "--gallery", pictures)
    assert kinsight(*explain, "--chunk", 0).sentence == "chunk is 0; write 1 or more"
    assert kinsight(*explain, "--top", -1).sentence == "top is -1; write 1 or more"
    assert kinsight("diagnose", run, run, "--pairs", -1).sentence == "pairs is -1; write 0 or more"
    render = ("data", "render", tmp_path / "scenes")
    assert kinsight(*render, "--size", HUGE).sentence.endswith("give a whole number from 32 to 1024")
    assert kinsight(*render, "--seed", -1).sentence.startswith("seed is -1; write a whole number")
    train = ("train", "--data", pictures, "--out", tmp_path / "run")
    for setting in ("optimizer.clip_norm", "optimizer.momentum", "schedule.gamma", "seed"):
        assert kinsight(*train, f"--{setting}=-1").sentence.startswith(f"setting {setting}: -1")
    assert kinsight(*embed, "--workers", "many").code == 2  # argparse says what is meant
    assert not list(tmp_path.iterdir())


PLACES = {
    "": "is no name of a file",
    "a\0b{}": "is not UTF-8 without NUL; rename the file or correct the name",
    "caf\udce9{}": "is not UTF-8 without NUL; rename the file or correct the name",
    "/proc/x{}": "could not be written (No such file or directory); choose a folder that you may write to",
    "/dev/null/x{}": "could not be written (Not a directory); choose a folder that you may write to",
    "n" * 300 + "{}": "could not be written (File name too long); choose a shorter name",
    "folder{}": "could not be written (Is a directory); a folder has this name, so choose the name of a file",
    "file/x{}": "could not be written (Not a directory); choose a folder that you may write to",
    "pipe{}": "is a pipe or a device; choose the name of a file",
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: repr(place[:12]))
def test_places_that_cannot_be_written(
    kinsight: Call, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Before any work, whatever the verb."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kinsight.api.load.load_model", None)  # a call of it would be work
    Path("file").write_text("")
    a, b, *_ = sorted(pictures.parent.glob("class_00/*.png"))
    for suffix, command in {
        ".html": ("explain", run, a, b),
        ".npz": ("embed", run, a),
        ".json": ("compare", run),
        ".csv": ("evaluate", run),
    }.items():
        out = place.format(suffix)
        (tmp_path / f"folder{suffix}").mkdir()
        os.mkfifo(tmp_path / f"pipe{suffix}")
        sentence = kinsight(*command, "--per-query" if command[0] == "evaluate" else "--out", out).sentence
        assert PLACES[place] in sentence or "says no known format" in sentence, command
        assert len(sentence) < 400
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


@pytest.mark.long
def test_run_folders_that_cannot_be(kinsight: Call, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    train = ("train", "--data", pictures, "--model.trunk", "test_resnet", "--model.size", 32, "--model.resize", 32,
             "--batches.size", 8)  # fmt: skip
    for out, sentence in {
        "": "the run folder has no name; give --out one",
        "/proc/x": "could not be written (No such file or directory)",
        tmp_path / "file": "is a file; give a folder as --out",
        tmp_path / "file" / "run": "could not be written (Not a directory)",
        tmp_path / ("n" * 300): "cannot be used (File name too long); give another path",
    }.items():
        assert sentence in kinsight(*train, "--out", out).sentence, out
    assert kinsight(*train, "--out", " ").sentence.startswith("the run folder has no name")


def test_a_long_name_that_fits_is_written(kinsight: Call, run: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / ("n" * 250 + ".npz")
    assert kinsight("embed", run, pictures.parent / "class_00" / "0.png", "--out", out, "--workers", 0).code == 0
    assert out.is_file()


def test_names_that_are_not_utf8_from_a_shell(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("path,label\n")
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"kinsight", b"data", b"check", os.fsencode(tmp_path) + b"/caf\xe9.csv"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("kinsight: '")
    assert done.stderr.endswith("caf\\udce9.csv' is not UTF-8 without NUL; rename the file or correct the name\n")


def test_a_terminal_that_knows_ascii_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "e.npz", vectors=np.repeat(np.eye(4), 3, 0), labels=np.repeat(np.arange(4), 3))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["evaluate", "--embeddings", str(tmp_path / "e.npz"), "--k", "1"]) == 0
    terminal.flush()
    assert b"MAP@R" in terminal.buffer.getvalue()
    assert b"\\xb1" in terminal.buffer.getvalue()


def test_more_workers_than_cores_are_lowered(
    kinsight: Call, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_lowered", set())
    files = pictures.parent / "class_00"
    said = kinsight("embed", run, files, "--out", tmp_path / "e.npz", "--workers", 200)
    assert said.code == 0
    assert said.err.count("200 workers are more than ") == 1
    assert loading.startable(200) == max(4, 2 * len(os.sched_getaffinity(0)))
    assert loading.startable(2) == 2


def test_hyphens_and_underscores_are_one() -> None:
    verbs = ["--per_class", "3", "--split_by=a_b", "--data.split_by", "x_y", "-o_o", "file_name", "--", "--x_y"]
    assert hyphened(verbs) == [
        "--per-class", "3", "--split-by=a_b", "--data.split-by", "x_y", "-o_o", "file_name", "--", "--x_y"
    ]  # fmt: skip
    settings = ["--model.trunk-options", "{a-b: 1}", "--data.crop-to-box=x-y", "--optimizer.head-lr=-1"]
    assert underscored(settings) == [
        "--model.trunk_options", "{a-b: 1}", "--data.crop_to_box=x-y", "--optimizer.head_lr=-1"
    ]  # fmt: skip


@pytest.mark.long
def test_both_spellings_do_the_same(kinsight: Call, run: Path, pictures: Path, tmp_path: Path) -> None:
    found = [
        kinsight("evaluate", run, spelled, "halves", "--k", 1, "--json").out for spelled in ("--split_by", "--split-by")
    ]
    assert found[0] == found[1]
    for spelled in ("--data.crop-to-box", "--data.crop_to_box"):
        said = kinsight("train", "--data", pictures, "--out", tmp_path / "run", spelled, "true")
        assert "--data.crop_to_box needs the columns x_1" in said.sentence
    assert kinsight("embed", run, pictures, "--out", tmp_path / "e.npz", "--batch", 3).code == 2  # no abbreviations
