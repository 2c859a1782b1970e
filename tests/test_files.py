"""Files are written whole or not at all, whatever goes wrong on the way."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from kinsight.errors import KinsightError
from kinsight.files import (
    digest,
    explained,
    standing,
    sweep,
    write_json,
    write_npz,
    write_text,
    writing,
    writing_folder,
)
from kinsight.reading import read_json


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fail_half_way(file: Path) -> None:
    file.write_text("half")
    raise ZeroDivisionError


def test_a_file_appears_whole_with_the_usual_rights(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "é")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "é"
    assert names(tmp_path / "new") == ["a.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failure_inside_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "a.txt") as temporary:
        fail_half_way(temporary)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_was_never_there_does_not_appear_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "a.txt") as temporary:
        fail_half_way(temporary)
    assert names(tmp_path) == []


def test_a_folder_replaces_an_older_one_completely(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with writing_folder(tmp_path / "model") as temporary:
            (temporary / content).write_text(content)
            (temporary / "inside").mkdir()
            (temporary / "inside" / "deep").write_text(content)
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["inside", "two"]
    assert (tmp_path / "model" / "inside" / "deep").read_text() == "two"


def test_files_of_a_folder_may_be_read_by_everybody_who_may_read_the_folder(tmp_path: Path) -> None:
    with writing_folder(tmp_path / "model") as temporary:
        save_file({"a": torch.zeros(2)}, temporary / "a.safetensors")
        (temporary / "plain").write_text("")
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "model").iterdir()}
    assert len(modes) == 1


def test_a_folder_that_fails_leaves_the_older_one(tmp_path: Path) -> None:
    with writing_folder(tmp_path / "model") as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), writing_folder(tmp_path / "model") as temporary:
        fail_half_way(temporary / "a")
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model" / "a").read_text() == "old"


def write_and_die(folder: Path) -> None:
    with writing_folder(folder / "model") as temporary, writing(folder / "a.txt") as file:
        (temporary / "a").write_text("half")
        file.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_leaves_the_older_ones_and_litter_that_is_swept(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with writing_folder(tmp_path / "model") as temporary:
        (temporary / "a").write_text("old")
    child = multiprocessing.get_context("fork").Process(target=write_and_die, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "model" / "a").read_text() == "old"
    assert len(names(tmp_path)) == 4
    sweep(tmp_path)
    assert names(tmp_path) == ["a.txt", "model"]


def test_a_full_disk_is_one_sentence_and_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"old": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("kinsight.files.os.fsync", full)
    for write in (
        lambda: write_json(tmp_path / "a.json", {"new": 2}),
        lambda: write_npz(tmp_path / "a.npz", {"x": np.zeros(3)}),
    ):
        with pytest.raises(KinsightError, match=r"no space is left there; free some or choose another folder$"):
            write()
    with pytest.raises(KinsightError, match="no space is left"), writing_folder(tmp_path / "model") as temporary:
        (temporary / "a").write_text("new")
    assert names(tmp_path) == ["a.json"]
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_the_real_error_of_a_full_device_is_explained() -> None:
    with (
        pytest.raises(KinsightError, match="/runs/metrics could not be written: no space is left"),
        explained("/runs/metrics"),
        open("/dev/full", "w") as device,
    ):
        print("x", file=device, flush=True)


def test_the_text_only_error_of_safetensors_is_explained() -> None:
    with pytest.raises(KinsightError, match="no space is left"), explained("/runs/model"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(SafetensorError), explained("/runs/model"):
        raise SafetensorError("Error while serializing: something else")


def test_other_errors_of_the_system_keep_their_trace() -> None:
    with pytest.raises(OSError, match="Input/output"), explained("/runs/model"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KinsightError, match=r"could not be written .*choose a folder that you may write to"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_json_round_trip_with_numpy_numbers(tmp_path: Path) -> None:
    value = {"a": np.float64(0.1), "b": np.int64(3), "c": np.arange(2), "d": Path("x/y"), "e": np.bool_(True)}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {"a": 0.1, "b": 3, "c": [0, 1], "d": "x/y", "e": True}
    with pytest.raises(TypeError, match="complex cannot be written"):
        write_json(tmp_path / "b.json", {"a": 1j})
    assert names(tmp_path) == ["a.json"]


def test_npz_holds_plain_arrays_only(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.arange(3), "names": np.array(["é", "b"])})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["names", "x"]
        assert arrays["names"].tolist() == ["é", "b"]
    with pytest.raises(KinsightError, match=r"array y for .* holds Python objects"):
        write_npz(tmp_path / "b.npz", {"y": np.array([{}, None])})
    assert names(tmp_path) == ["a.npz"]


def test_digest_counts_borders_types_and_shapes() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest(b"a")
    assert digest(np.zeros(4, np.float32)) != digest(np.zeros(4, np.int32))
    assert digest(np.zeros((2, 2))) != digest(np.zeros(4))
    assert digest(np.arange(6).reshape(2, 3)) == digest(np.arange(6).reshape(3, 2).reshape(2, 3).copy(order="F"))
    assert digest() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def replace_and_die(folder: Path, call: int) -> None:
    """Replace a folder in a process that ends, as if killed, before its `call`-th call to the system."""
    import sys

    calls = 0

    def count(event: str, _: object) -> None:
        nonlocal calls
        if event.startswith(("os.", "shutil.", "open", "tempfile.")):
            calls += 1
            if calls == call:
                os._exit(9)

    sys.addaudithook(count)
    with writing_folder(folder) as temporary:
        (temporary / "one").write_text("new")
        (temporary / "two").write_text("new")
    os._exit(0)


@pytest.mark.long
def test_a_kill_between_any_two_calls_leaves_the_older_folder_or_the_newer(tmp_path: Path) -> None:
    renamed_back = 0
    for call in range(1, 200):
        parent = tmp_path / str(call)
        with writing_folder(parent / "model") as temporary:
            (temporary / "one").write_text("old")
            (temporary / "two").write_text("old")
        child = os.fork()
        if not child:
            replace_and_die(parent / "model", call)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for swept in (False, True):
            if swept:
                sweep(parent)
            found = {(standing(parent / "model") / name).read_text() for name in ("one", "two")}
            assert found in ({"old"}, {"new"}), call
            renamed_back += not (parent / "model").exists()
        assert names(parent) == ["model"]
        if code == 0:
            break
        assert code == 9
    assert code == 0
    assert found == {"new"}
    assert renamed_back  # the moment without a folder of that name was met
