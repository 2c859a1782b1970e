"""Two processes do what one does with the same global batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from accelerate import PartialState

from forked_processes import assert_same_run, free_port, on_two_processes
from kinsight.errors import KinsightError
from kinsight.models import load_embedder
from kinsight.settings.training import DataSettings
from kinsight.training import train
from kinsight.training.encoding import encode_rows
from kinsight.training.replica import share_buffers
from tiny_run import dumped, numbers_of
from tiny_run import stored_each_step as tiny

# Dropout draws for each process's share, so that it cannot be the same as in one process.
NO_DROPOUT = {"model": {"head": {"dropout": 0.0}}}


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"head_first": 1.0}},
        pytest.param(
            {
                "objective": {"loss": {"name": "proxy-anchor"}, "miner": {"name": "none"}},
                "batches": {"size": 7, "per_class": None},
                "optimizer": {"clip_norm": 1.0, "name": "sgd"},
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["margin with beta, head first", "proxy-anchor, odd batch, clipped"],
)
def test_two_processes_train_as_one(tmp_path: Path, pictures: Path, changes: dict[str, Any]) -> None:
    settings = tiny(pictures, NO_DROPOUT, changes)
    train(settings, tmp_path / "one", progress=False)
    assert on_two_processes(train, settings, tmp_path / "two") == [0, 0]
    assert_same_run(tmp_path / "one", tmp_path / "two")
    # One process finds the run of two finished.
    before = numbers_of(tmp_path / "two")
    train(settings, tmp_path / "two", progress=False)
    assert numbers_of(tmp_path / "two") == before


def train_and_stop(settings: Any, out: Path, step: int) -> None:
    from kinsight.training.loop import Training

    whole = Training._step

    def dying(self: Training, *arguments: Any) -> None:
        if self.position.step == step:
            raise KinsightError("stopped by the test")
        whole(self, *arguments)

    Training._step = dying  # type: ignore[method-assign]
    train(settings, out, progress=False)


@pytest.mark.long
def test_a_run_of_two_processes_goes_on_with_two_and_with_one(tmp_path: Path, pictures: Path) -> None:
    settings = tiny(pictures, NO_DROPOUT)
    train(settings, tmp_path / "one", progress=False)
    for step in (2, 5):
        assert on_two_processes(train_and_stop, settings, tmp_path / "two", step) == [1, 1]
    train(settings, tmp_path / "two", progress=False)
    assert_same_run(tmp_path / "one", tmp_path / "two")


def encode_here(model: Path, pictures: Path, out: Path, unreadable: int) -> None:
    state = PartialState(cpu=True)
    names = sorted(str(file) for file in pictures.parent.glob("class_0[01]/*.png"))[:11]
    names[unreadable] = str(pictures)  # not a picture
    table = pd.DataFrame({"id": names, "path": names})
    rows = np.array([3, 0, 7, 1, 2, 10, 4, 9, 5, 6, 8])
    data = DataSettings(workers=0, on_unreadable="skip")
    found = encode_rows(load_embedder(model), table, rows, data, batch_size=4)
    np.savez(out / f"{state.process_index}.npz", vectors=found.vectors, rows=found.rows, unreadable=found.unreadable)


def test_every_picture_is_encoded_exactly_once(tmp_path: Path, pictures: Path, finished: Path) -> None:
    encode_here(finished / "model", pictures, tmp_path, 4)
    with np.load(tmp_path / "0.npz") as single:
        expected = dict(single)
    assert expected["rows"].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert expected["unreadable"] == 1
    assert on_two_processes(encode_here, finished / "model", pictures, tmp_path, 4) == [0, 0]
    for rank in range(2):
        with np.load(tmp_path / f"{rank}.npz") as shared:
            assert shared["rows"].tolist() == expected["rows"].tolist()
            assert shared["unreadable"] == 1
            np.testing.assert_allclose(shared["vectors"], expected["vectors"], atol=1e-6)


def share_statistics(model: Path, out: Path) -> None:
    state = PartialState(cpu=True)
    embedder = load_embedder(model)
    for buffer in embedder.buffers():
        buffer.fill_(state.process_index + 5)
    share_buffers(embedder)
    values = {float(buffer.float().unique()) for buffer in embedder.buffers()}
    (out / f"{state.process_index}.txt").write_text(str(values))


def test_every_process_validates_with_the_statistics_that_are_saved(tmp_path: Path, finished: Path) -> None:
    assert on_two_processes(share_statistics, finished / "model", tmp_path) == [0, 0]
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)] == ["{5.0}", "{5.0}"]


def test_a_refused_folder_stops_every_process(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert on_two_processes(train, tiny(pictures), tmp_path) == [1, 1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_batches_smaller_than_the_processes_are_refused(tmp_path: Path, pictures: Path) -> None:
    settings = tiny(pictures, {"batches": {"size": 1, "per_class": None}})
    assert on_two_processes(train, settings, tmp_path / "run") == [1, 1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_torchrun(tmp_path: Path, pictures: Path) -> None:
    from dataclasses import asdict

    settings = tiny(pictures, NO_DROPOUT, {"data": {"workers": 2}})
    (tmp_path / "recipe.yaml").write_text(dumped(asdict(settings)))
    train(settings, tmp_path / "one", progress=False)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    verb = ["-m", "kinsight", "train", "--recipe", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "two")]
    done = subprocess.run(launcher + verb, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "one", tmp_path / "two")
