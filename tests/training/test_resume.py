"""A run that was killed and started again comes to the numbers and the weights of a run that was not."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from killed_runs import killed, train_and_die
from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder
from kinsight.training import loop as loop_module
from kinsight.training import train
from kinsight.training.loop import Training
from tiny_run import dumped, numbers_of, weights_of
from tiny_run import stored_each_step as tiny


class CutError(Exception):
    """Where a test cuts a run."""


def cut_at(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int, owner: Any = Training, *, after: bool = False
) -> None:
    """Let the `count`-th call (from 0) of a function raise, before or after it has done its work."""
    whole, calls = getattr(owner, name), []

    def cut(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) <= count:
            return whole(*arguments, **options)
        if after:
            whole(*arguments, **options)
        raise CutError

    monkeypatch.setattr(owner, name, cut)


@pytest.mark.long
def test_cut_anywhere_it_comes_to_the_same_end(
    tmp_path: Path, pictures: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[tuple[str, int, Any, bool]] = [
        ("_step", 2, Training, False),
        ("_checkpoint", 0, Training, False),  # trained and logged, not saved
        ("validate", 0, loop_module, True),  # validated, not logged
        ("_validate", 0, Training, True),  # validated and logged, not saved
        ("_step", 1, Training, True),
        ("_finish", 0, Training, False),
        ("save_checkpoint", 0, loop_module, False),
    ]
    for name, count, owner, after in places:
        with monkeypatch.context() as patch:
            cut_at(patch, name, count, owner, after=after)
            with pytest.raises(CutError):
                train(tiny(pictures), tmp_path / "run", progress=False)
    train(tiny(pictures), tmp_path / "run", progress=False)
    assert numbers_of(tmp_path / "run") == numbers_of(finished)
    assert weights_of(tmp_path / "run") == weights_of(finished)
    model = Path("model") / "model.safetensors"
    assert (tmp_path / "run" / model).read_bytes() == (finished / model).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize(
    ("workers", "changes"),
    [
        (2, {}),
        pytest.param(
            0,
            {"objective": {"loss": {"name": "proxy-anchor"}, "miner": {"name": "none"}}, "optimizer": {"name": "sgd"}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_real_kill(tmp_path: Path, pictures: Path, finished: Path, workers: int, changes: dict[str, Any]) -> None:
    changes = {**changes, "data": {"workers": workers}}
    assert killed(train_and_die, tiny(pictures, changes), tmp_path / "run", 4)
    assert len(numbers_of(tmp_path / "run")) == 6  # the start, 4 steps, one validation
    train(tiny(pictures, changes), tmp_path / "run", progress=False)
    whole = finished
    if "objective" in changes:
        whole = tmp_path / "whole"
        train(tiny(pictures, changes), whole, progress=False)
    assert numbers_of(tmp_path / "run") == numbers_of(whole)
    assert weights_of(tmp_path / "run") == weights_of(whole)


def test_a_finished_run_says_so_and_does_nothing(
    finished: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.rglob("*")}
    with caplog.at_level("INFO", "kinsight"):
        train(tiny(pictures), finished)
    assert caplog.messages == [f"{finished} is finished after 9 steps; there is nothing to do"]
    assert {file: file.stat().st_mtime_ns for file in finished.rglob("*")} == before


def test_other_settings_and_changed_data_are_refused(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    cut_at(monkeypatch, "_step", 1)
    with pytest.raises(CutError):
        train(tiny(pictures), run, progress=False)
    with pytest.raises(KinsightError, match=r"other settings \(seed: 0 -> 1\)"):
        train(tiny(pictures, {"seed": 1}), run, progress=False)
    changed = pictures.parent / "changed.csv"
    changed.write_text("\n".join(pictures.read_text().splitlines()[:-1]))
    with pytest.raises(KinsightError, match=r"changed\.csv has changed since .* was started"):
        train(tiny(changed), run, progress=False)
    changed.unlink()
    assert [record["step"] for record in numbers_of(run)] == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_five_kills_at_random_moments(tmp_path: Path, pictures: Path, workers: int) -> None:
    recipe = tmp_path / "recipe.yaml"
    settings = {"epochs": 6, "data": {"workers": workers}}
    recipe.write_text(dumped(settings_as_layers(pictures, settings)))
    train(tiny(pictures, settings), tmp_path / "whole", progress=False)
    out = tmp_path / "run"
    chance = random.Random(workers)
    steps = sorted(chance.sample(range(1, 17), 5))
    first = [sys.executable, "-m", "kinsight", "train", "--recipe", str(recipe), "--out", str(out)]
    again = [sys.executable, "-m", "kinsight", "train", "--out", str(out)]
    for number, step in enumerate(steps):
        process = subprocess.Popen(again if number else first, stderr=subprocess.DEVNULL)
        while process.poll() is None and not any(out.glob(f"checkpoints/step-{step:09d}*")) and reached(out) < step:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.05)
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert numbers_of(out) == numbers_of(tmp_path / "whole")
    assert weights_of(out) == weights_of(tmp_path / "whole")
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "is finished after 18 steps; there is nothing to do" in done.stderr


def settings_as_layers(pictures: Path, changes: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(tiny(pictures, changes))


def reached(out: Path) -> int:
    return max((record["step"] for record in RunFolder(out).history()), default=0)
