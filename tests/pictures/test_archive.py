"""Bytes from folders and from inside zip archives."""

import multiprocessing
import os
import pickle
import threading
import zipfile
from pathlib import Path

import pytest

from kinsight.errors import KinsightError
from kinsight.pictures import archive
from kinsight.pictures.archive import UnreadableFile, exists, read_bytes


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "things.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("inside/a.txt", b"alpha" * 1000)
        target.writestr("b.txt", b"beta")
    return path


def test_a_plain_file_and_members_of_a_zip(tmp_path: Path, zipped: Path) -> None:
    (tmp_path / "plain.txt").write_bytes(b"plain")
    assert read_bytes(str(tmp_path / "plain.txt")) == b"plain"
    assert read_bytes(f"{zipped}/inside/a.txt") == b"alpha" * 1000
    assert read_bytes(zipped / "b.txt") == b"beta"
    assert read_bytes(f"{zipped}//inside/./a.txt") == b"alpha" * 1000
    assert read_bytes(str(zipped))[:2] == b"PK"


def test_a_folder_that_is_called_zip_is_a_folder(tmp_path: Path, zipped: Path) -> None:
    folder = tmp_path / "folder.zip"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"in a folder")
    zipped.rename(folder / "inner.zip")
    assert read_bytes(f"{folder}/a.txt") == b"in a folder"
    assert read_bytes(f"{folder}/inner.zip/b.txt") == b"beta"


def test_exists(tmp_path: Path, zipped: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no archive")
    there = [str(zipped), f"{zipped}/b.txt", f"{zipped}/inside/a.txt"]
    missing = [str(tmp_path), f"{zipped}/inside", f"{zipped}/c.txt", f"{tmp_path}/no.zip/b", f"{broken}/b.txt", "a\0b"]
    assert [exists(path) for path in there] == [True] * 3
    assert [exists(path) for path in missing] == [False] * 6


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.txt", "does not exist"),
        ("things.zip/missing.txt", "no member missing.txt"),
        ("missing.zip/b.txt", "does not exist"),
        ("broken.zip/b.txt", "cannot be read from its archive"),
        ("damaged.zip/b.txt", "Bad CRC-32"),
        (".", "Is a directory"),
        ("pipe", "not a regular file"),
        ("nul\0l", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, zipped: Path, name: str, reason: str) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w") as target:
        target.writestr("b.txt", b"some bytes")
    damaged = (tmp_path / "damaged.zip").read_bytes().replace(b"some bytes", b"SOME BYTES")
    (tmp_path / "damaged.zip").write_bytes(damaged)
    if name == "pipe":
        os.mkfifo(tmp_path / "pipe")
        holder = os.open(tmp_path / "pipe", os.O_RDWR)  # a reader of a pipe that nobody writes to would wait for ever
    path = f"{tmp_path}/{name}"
    with pytest.raises(UnreadableFile) as caught:
        read_bytes(path)
    if name == "pipe":
        os.close(holder)
    assert isinstance(caught.value, KinsightError)
    assert caught.value.path == path
    assert str(caught.value).startswith(path)
    assert reason in caught.value.reason
    assert caught.value.repair in str(caught.value)


def test_a_file_too_large_for_one_picture_is_refused(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 4)
    assert read_bytes(zipped / "b.txt") == b"beta"
    for path in (zipped, zipped / "inside/a.txt"):
        with pytest.raises(UnreadableFile, match="GiB"):
            read_bytes(path)


def test_an_archive_is_opened_once_and_again_when_it_was_replaced(
    zipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = zipfile.ZipFile
    monkeypatch.setattr(archive.zipfile, "ZipFile", lambda path: opened.append(path) or real(path))
    for _ in range(3):
        read_bytes(zipped / "b.txt")
    assert len(opened) == 1
    replacement = zipped.with_name("new.zip")
    with real(replacement, "w") as target:
        target.writestr("b.txt", b"another content")
    replacement.replace(zipped)
    assert read_bytes(zipped / "b.txt") == b"another content"
    assert len(opened) == 2


def test_the_number_of_open_archives_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "OPEN_ARCHIVES", 2)
    monkeypatch.setattr(archive._archives, "opened", {})
    for number in range(5):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as target:
            target.writestr("n", str(number))
    assert [read_bytes(tmp_path / f"{number}.zip/n") for number in (0, 1, 4, 2, 3, 0)] == [*map(str.encode, "014230")]
    assert len(archive._archives.opened) == 2


def _read_many(path: str, wanted: bytes, answers: "multiprocessing.Queue[bool] | list[bool]") -> None:
    right = all(read_bytes(path) == wanted for _ in range(200))
    answers.append(right) if isinstance(answers, list) else answers.put(right)


def test_processes_and_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    contents = {f"{number}": os.urandom(20_000) for number in range(4)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in contents.items():
            target.writestr(name, content)
    read_bytes(path / "0")  # open before the fork: the children inherit it
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    children = [
        fork.Process(target=_read_many, args=(f"{path}/{name}", content, queue)) for name, content in contents.items()
    ]
    for child in children:
        child.start()
    here: list[bool] = []
    threads = [
        threading.Thread(target=_read_many, args=(f"{path}/{name}", data, here)) for name, data in contents.items()
    ]
    for thread in threads:
        thread.start()
    assert [queue.get(timeout=30) for _ in children] == [True] * 4
    for worker in (*children, *threads):
        worker.join(timeout=30)
    assert here == [True] * 4


def _own(path: str, inherited: zipfile.ZipFile, answers: "multiprocessing.Queue[bool] | list[bool]") -> None:
    """Whether this process or thread opens the archive for itself, and then only once."""
    right = archive._opened(path) is not inherited and archive._opened(path) is archive._opened(path)
    answers.append(right) if isinstance(answers, list) else answers.put(right)


def test_every_process_and_thread_opens_for_itself(zipped: Path) -> None:
    ours = archive._opened(str(zipped))
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    child = fork.Process(target=_own, args=(str(zipped), ours, queue))
    child.start()
    assert queue.get(timeout=30)
    child.join(timeout=30)
    answers: list[bool] = []
    thread = threading.Thread(target=_own, args=(str(zipped), ours, answers))
    thread.start()
    thread.join(timeout=30)
    assert answers == [True]
    assert archive._opened(str(zipped)) is ours


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnreadableFile("a.jpg", "is empty", "remove it")))
    assert (error.path, error.reason, error.repair) == ("a.jpg", "is empty", "remove it")
    assert str(error) == "a.jpg is empty; remove it"
