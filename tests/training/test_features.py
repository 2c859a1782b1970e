"""Features of a trunk that stands still, computed once: the same training as from pictures, whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from forked_processes import assert_same_run, on_two_processes
from killed_runs import killed, train_and_die
from kinsight.errors import KinsightError
from kinsight.models import build_embedder, make_head
from kinsight.models.pooling import MAP
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from
from kinsight.training import feature_file as file_module
from kinsight.training import train
from kinsight.training.feature_file import FeatureFile, Layout, feature_file
from kinsight.training.loop import Training
from kinsight.training.replica import _Forward
from kinsight.training.standing_trunk import StandingTrunk
from tiny_run import TINY, draw_pictures, numbers_of, weights_of
from tiny_run import stored_each_step as tiny

# SGD, because Adam makes whole steps of gradients that are nothing but rounding, and tiny batches are rounded in their own way.
STILL: dict[str, Any] = {
    "optimizer": {"name": "sgd", "trunk_lr": 0.0, "head_lr": 0.05},
    "data": {"augmentation": "none"},
    "epochs": 1,
}
NEVER: dict[str, Any] = {"features": {"once": "never"}}


def with_head(pictures: Path, head: dict[str, Any], *changes: dict[str, Any]) -> Any:
    """The tiny settings with this head and nothing of the usual one."""
    plain = {**TINY, "model": {**TINY["model"], "head": head}}
    return settings_from(plain, {"data": {"path": str(pictures)}}, STILL, *changes)


def assert_equal_weights(one: Path, two: Path, atol: float = 1e-6) -> None:
    first, second = (load_file(run / "model-last" / "model.safetensors") for run in (one, two))
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], atol=atol, rtol=0, err_msg=name)


def assert_equal_runs(one: Path, two: Path) -> None:
    assert_equal_weights(one, two)
    lines, others = numbers_of(one), numbers_of(two)
    assert len(lines) == len(others)
    for line, other in zip(lines, others, strict=True):
        assert line == pytest.approx(other, abs=1e-4)


def count_pictures(patch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each pass of the trunk in training is given, from now on."""
    seen: list[int] = []
    whole = _Forward.forward

    def forward(self: _Forward, given: Any, trunk_trains: bool) -> Any:
        seen.append(0 if given.reads else len(given.values))
        return whole(self, given, trunk_trains)

    patch.setattr(_Forward, "forward", forward)
    return seen


def files_of(run: Path) -> list[str]:
    return sorted(file.name for file in (run / "features").iterdir())


HEADS: dict[str, dict[str, Any]] = {
    "average, dropout": {"name": "linear", "dim": 16, "dropout": 0.2},
    "maximum, hidden": {"name": "linear", "dim": 16, "pooling": "max", "hidden": [24], "relu": True},
    "fitted": {"name": "linear", "dim": None, "init": "within-class"},
    "both": {"name": "linear", "dim": 16, "pooling": "avg+max"},
    "groups, maps": {"name": "attentive", "groups": 2, "dim": 16},
}


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_same_training_as_from_pictures(
    tmp_path: Path, pictures: Path, head: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(with_head(pictures, head, NEVER), tmp_path / "pictures", progress=False)
    seen = count_pictures(monkeypatch)
    run = train(with_head(pictures, head), tmp_path / "features", progress=False)
    assert seen == [0] * 3
    assert_equal_runs(tmp_path / "pictures", run.path)
    (name,) = files_of(run.path)  # of the training and the validation pictures together
    reads = MAP if head["name"] == "attentive" else head.get("pooling", "avg")
    assert name.startswith(f"{reads}-")
    told = run.read_protocol().training
    assert told.still_epochs == 1
    assert told.features is not None
    assert told.features["file"] == name
    assert not (tmp_path / "pictures" / "features").exists()


@pytest.mark.long
def test_division_reads_features(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Division cuts by the trunk's averaged maps, which its head of another pooling does not read."""
    method = {"method": {"name": "division", "subspaces": 2, "every": 1, "clusters": "trunk"}, "epochs": 2}
    plain = {**TINY, "model": {**TINY["model"], "head": {"name": "linear", "dim": 16, "pooling": "max"}}}
    settings = settings_from(plain, {"data": {"path": str(pictures)}}, STILL, method)
    train(
        settings_from(plain, {"data": {"path": str(pictures)}}, STILL, method, NEVER),
        tmp_path / "pictures",
        progress=False,
    )
    run = train(settings, tmp_path / "features", progress=False)
    assert_equal_runs(tmp_path / "pictures", run.path)
    assert [name[:4] for name in files_of(run.path)] == ["avg-", "max-"]


@pytest.mark.long
def test_a_trunk_that_waits_and_then_trains(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features for the epochs in which it waits, pictures afterwards; killed in between too."""
    waits = {"optimizer": {"trunk_lr": 0.1}, "schedule": {"head_first": 2.0}, "epochs": 3}
    settings = tiny(pictures, STILL, waits)
    train(tiny(pictures, STILL, waits, NEVER), tmp_path / "pictures", progress=False)
    with monkeypatch.context() as patch:
        seen = count_pictures(patch)
        run = train(settings, tmp_path / "features", progress=False)
        assert seen == [0] * 6 + [8] * 3
    assert_equal_runs(tmp_path / "pictures", run.path)
    assert run.read_protocol().training.still_epochs == 2
    assert killed(train_and_die, settings, tmp_path / "cut", 7)
    train(settings, tmp_path / "cut", progress=False)
    assert weights_of(tmp_path / "cut") == weights_of(run.path)
    assert numbers_of(tmp_path / "cut") == numbers_of(run.path)
    # With augmentation its epochs are left as they are unless somebody asks.
    kept = {"data": {"augmentation": "mild"}}
    assert (
        Training(tiny(pictures, STILL, waits, kept), run, training_table(settings), progress=False).inputs.trunk is None
    )


def trunk_of(settings: Any, out: Path) -> StandingTrunk:
    trunk = Training(settings, RunFolder(out), training_table(settings), progress=False).inputs.trunk
    assert trunk is not None
    return trunk


def training_table(settings: Any) -> Any:
    from kinsight.training.tables import prepare_table

    return prepare_table(settings.data)


def compute_and_die(settings: Any, out: Path) -> None:
    """Dies between two blocks, the second of them written and not yet noted."""
    marked = file_module._checksum
    seen: list[int] = []

    def dying(value: np.ndarray) -> int:
        seen.append(1)
        if len(seen) > 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return marked(value)

    file_module._checksum = dying  # type: ignore[assignment]
    train(settings, out, progress=False)


@pytest.mark.long
def test_killed_while_features_are_computed_and_while_they_are_read(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "BLOCK", 8)
    settings = tiny(pictures, STILL)
    whole = train(settings, tmp_path / "whole", progress=False)
    out = tmp_path / "cut"
    assert killed(compute_and_die, settings, out)
    (part,) = (out / "features").iterdir()
    assert part.name.startswith(".avg-")
    items = np.load(part / "items.npy")
    assert (items["state"] != 0).sum() == 8  # one block is whole
    assert killed(train_and_die, settings, out, 2)
    assert files_of(out) == files_of(whole.path)
    train(settings, out, progress=False)
    assert weights_of(out) == weights_of(whole.path)
    assert numbers_of(out) == numbers_of(whole.path)
    for name in ("features.npy", "items.npy"):
        (one,), (two,) = (sorted((run / "features").glob(f"*/{name}")) for run in (out, whole.path))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.long
def test_two_processes_share_the_work_and_one_file(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "BLOCK", 8)
    settings = with_head(pictures, {"name": "linear", "dim": 16}, {"features": {"folder": str(tmp_path / "common")}})
    assert on_two_processes(train, settings, tmp_path / "two") == [0, 0]
    (file,) = (tmp_path / "common").iterdir()
    written = (file / "features.npy").read_bytes()
    before = file.stat().st_mtime_ns
    train(settings, tmp_path / "one", progress=False)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert (list((tmp_path / "common").iterdir()), file.stat().st_mtime_ns) == ([file], before)
    assert not (tmp_path / "one" / "features").exists()
    shutil.rmtree(file)
    train(settings, tmp_path / "again", progress=False)
    assert (file / "features.npy").read_bytes() == written


@pytest.mark.long
def test_other_pictures_weights_and_numbers_have_other_files(tmp_path: Path) -> None:
    data = draw_pictures(tmp_path / "data", classes=8, per_class=4)
    common = {"features": {"folder": str(tmp_path / "common")}, "epochs": 1, "data": {"folds": 2}}
    found: list[set[str]] = []

    def trained(*changes: dict[str, Any]) -> int:
        trunk = trunk_of(tiny(data, STILL, common, *changes), tmp_path / "run")
        assert trunk.at_test_time("avg") is trunk.in_training or trunk.settings.features.copies
        found.append({file.name for file in (tmp_path / "common").iterdir()})
        return len(found[-1])

    assert trained() == 1
    # What decides no feature shares the file: another loss, another fold, another head of the same pooling.
    other = {"objective": {"loss": {"name": "contrastive"}}, "data": {"fold": 1}, "model": {"head": {"dim": 8}}}
    assert trained(other) == 1
    file = tmp_path / "data" / "class_00" / "0.png"
    times = file.stat()
    shutil.copy(tmp_path / "data" / "class_01" / "0.png", file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert trained() == 2
    assert trained({"seed": 1}) == 3  # other initial weights
    assert trained({"features": {"dtype": "float16"}}) == 4
    assert trained({"model": {"resize": 40}}) == 5
    assert trained({"features": {"copies": 2}, "data": {"augmentation": "mild"}}) == 6  # validation has a file already
    assert trained({"features": {"copies": 2}, "data": {"augmentation": "geom"}}) == 7


@pytest.mark.long
def test_a_damaged_file_is_made_anew_and_a_damaged_feature_refused(
    tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tiny(pictures, STILL, {"epochs": 1, "features": {"folder": str(tmp_path / "common")}})
    trunk_of(settings, tmp_path / "run").at_test_time("avg")
    (file,) = (tmp_path / "common").iterdir()
    good = (file / "features.npy").read_bytes()
    for damage in ("cut", "gone", "other", "unfinished"):
        if damage == "cut":
            (file / "features.npy").write_bytes(good[:-100])
        elif damage == "gone":
            (file / "items.npy").unlink()
        elif damage == "other":
            np.save(file / "features.npy", np.zeros((3, 4)))
        else:
            items = np.load(file / "items.npy")
            items["state"][5] = 0
            np.save(file / "items.npy", items)
        with caplog.at_level("WARNING", "kinsight"):
            trunk_of(settings, tmp_path / "run").at_test_time("avg")
        assert caplog.text.count(f"{file} is damaged (") == 1
        assert "so its features are computed anew" in caplog.text
        caplog.clear()
        assert (file / "features.npy").read_bytes() == good
    changed = bytearray(good)
    changed[-3] ^= 64  # the last number of a validation picture
    (file / "features.npy").write_bytes(changed)
    features = trunk_of(settings, tmp_path / "run").at_test_time("avg")
    with pytest.raises(KinsightError, match=r"is damaged \(the features of picture \d+ .*; remove it, and the same"):
        features.of(features.rows)


@pytest.mark.long
def test_copies_and_float16(tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    copies = {"features": {"copies": 3}, "data": {"augmentation": "mild"}, "epochs": 1}
    settings = tiny(pictures, STILL, copies)
    run = RunFolder(tmp_path / "copies")
    training = Training(settings, run, training_table(settings), progress=False)
    with caplog.at_level("INFO", "kinsight"):
        features = training.inputs.trunk.in_training  # type: ignore[union-attr]
    assert "24 pictures are computed once and read from" in caplog.text
    assert "MB), 3 augmented copies of each (mild)" in caplog.text
    rows, embedder = training.rows, training.embedder.eval()
    values, _ = features.of(np.repeat(rows[:2], 4), np.tile([0, 1, 2, 3], 2))
    assert torch.equal(values[0], values[3])
    assert len(values.unique(dim=0)) == 6
    # Each is what the trunk makes of an augmented picture: as far from the plain one as mild changes it.
    plain = embedder.trunk(torch.stack([plain_tensor(training, 0)])).mean((2, 3))[0]
    assert 0 < (values[0] - plain).norm() < 3 * plain.norm()
    told = run.read_protocol().training.features
    assert told is not None
    assert (told["augmentation"], told["copies"]) == ("mild", 3)
    half = trunk_of(tiny(pictures, STILL, copies, {"features": {"dtype": "float16"}}), tmp_path / "half").in_training
    assert half.file.features.dtype == np.float16
    found, _ = half.of(np.repeat(rows[:2], 4), np.tile([0, 1, 2, 3], 2))
    torch.testing.assert_close(found, values, atol=1e-3, rtol=1e-3)


def plain_tensor(training: Training, index: int) -> torch.Tensor:
    from kinsight.pictures import open_picture

    path = training.table["path"].iloc[training.rows[index]]
    return training.embedder.preprocessing.transform()(open_picture(path))


def test_one_line_says_what_is_left_out(tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = tiny(pictures, STILL, {"epochs": 1, "data": {"augmentation": "standard"}})
    with caplog.at_level("INFO", "kinsight"):
        run = train(settings, tmp_path / "run", progress=False)
    (line,) = [message for message in caplog.messages if message.startswith("the trunk stands still")]
    assert "MB), without augmentation standard (--features.copies 8" in line
    assert "36 pictures" in line
    told = run.read_protocol().training.features
    assert told is not None
    assert told["augmentation"] == "none"


@pytest.mark.long
def test_unreadable_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = draw_pictures(tmp_path / "data", classes=8, per_class=6)
    (tmp_path / "data" / "class_00" / "3.png").write_bytes(b"no picture")
    skip = {"data": {"on_unreadable": "skip", "folds": 2, "fold": 1}, "epochs": 1, "batches": {"per_class": 4}}
    skip["features"] = {"folder": str(tmp_path / "common")}
    skip["objective"] = {"loss": {"name": "contrastive"}, "miner": {"name": "none"}}
    train(tiny(data, STILL, skip, NEVER, {"features": {"folder": None}}), tmp_path / "pictures", progress=False)
    caplog.clear()
    for name in ("computed", "read"):
        with caplog.at_level("WARNING", "kinsight"):
            train(tiny(data, STILL, skip), tmp_path / name, progress=False)
        assert [message.split()[2].rsplit("/", 1)[1] for message in caplog.messages] == ["3.png"]
        caplog.clear()
        assert_equal_weights(tmp_path / "pictures", tmp_path / name)
    with pytest.raises(KinsightError, match=r"3\.png .*or leave such pictures out with --data\.on_unreadable skip"):
        trunk_of(tiny(data, STILL, skip, {"data": {"on_unreadable": "refuse"}}), tmp_path / "refused").at_test_time(
            "avg"
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"features": {"copies": 2}, "optimizer": {"trunk_lr": 0.1}},
            "features.copies 2 needs a trunk that stands still",
        ),
        ({"features": {"once": "always"}, "optimizer": {"trunk_lr": 0.1}}, "features.once always needs a trunk that"),
        ({"features": {"copies": 2}, "data": {"augmentation": "none"}}, "that nothing augments are all alike"),
        ({"features": {"copies": 2, "once": "never"}}, "features.copies goes with features that are kept"),
        ({"features": {"copies": -1}}, "write 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, pictures: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        train(tiny(pictures, {"optimizer": {"trunk_lr": 0.0}}, changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def blocks_of(values: np.ndarray) -> Any:
    def compute(blocks: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for block in blocks:
            items = np.arange(block.start, block.stop)
            yield items, values[items]

    return compute


def test_a_full_disk_and_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(300, 1, (1000,), "float32")
    values = np.random.default_rng(0).normal(size=(300, 1000)).astype(np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(file_module, "_free", lambda _: 1000)
        with pytest.raises(KinsightError, match=r"do not fit into .*; free some, or write another"):
            feature_file(tmp_path / "x", layout, {}, blocks_of(values))
    # Two runs at once: one computes, the other waits and reads.
    fork = multiprocessing.get_context("fork")
    begun = fork.Event()

    def slow(blocks: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        begun.set()
        for block in blocks_of(values)(blocks):
            time.sleep(0.02)
            yield block

    def never(blocks: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        raise AssertionError("computed twice")

    other = fork.Process(target=feature_file, args=(tmp_path / "x", layout, {}, slow))
    other.start()
    begun.wait(10)
    file = feature_file(tmp_path / "x", layout, {}, never)
    other.join()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    assert np.array_equal(file.read(np.arange(300)), values)
    assert isinstance(file, FeatureFile)


def test_heads_say_what_they_read() -> None:
    for choice in ({"name": "linear", "pooling": pooling} for pooling in ("avg", "max", "avg+max")):
        head = make_head(choice, 6, (3, 3)).eval()
        maps = torch.randn(4, 6, 3, 3)
        pooled = head.pooling(maps)  # type: ignore[operator]
        assert head.reads == choice["pooling"]
        torch.testing.assert_close(head.from_pooled(pooled).whole, head(maps).whole)  # type: ignore[operator]
    for name in ("multi-linear", "channel"):
        head = make_head({"name": name, "groups": 2, "dim": 8}, 6, (3, 3)).eval()
        assert head.reads == "avg"
        torch.testing.assert_close(head.from_pooled(maps.mean((2, 3))).parts, head(maps).parts)  # type: ignore[operator]
    inner = {"name": "subspaces", "head": {"name": "linear", "dim": 8}, "subspaces": 2}
    embedder = build_embedder(settings_from({"model": {**TINY["model"], "head": inner}}).model)
    assert embedder.reads == "avg"
    for choice in (
        {"name": "linear", "pooling": "gem"},
        {"name": "linear", "pooling": "flatten"},
        {"name": "attentive", "dim": 8},
    ):
        assert make_head(choice, 8, (3, 3)).reads == MAP
    assert RunFolder("x").features == Path("x/features")
