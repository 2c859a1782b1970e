"""The index file: what is added, changed and removed; kills, damage, strangers' files, and growth."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours
from kinsight.retrieval.about import About
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.opening import create_store, open_store
from kinsight.retrieval.store import Store
from retrieval.made_index import DIM, entries, entry, made, vectors


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an index of three pictures; to be copied."""
    path = tmp_path_factory.mktemp("small") / "a.kin"
    made(path, 3).close()
    return path


def held(store: Store) -> tuple[list[str], np.ndarray]:
    """Ids and vectors, from their tables."""
    blocks = list(store.vectors())
    numbers = np.concatenate([np.empty(0, np.int64), *(numbers for numbers, _ in blocks)])
    known = store.pictures(numbers.tolist())
    values = np.concatenate([np.empty((0, DIM)), *(some for _, some in blocks)])
    return [known[number].listed.id for number in numbers.tolist()], values


def test_what_is_added_is_there_after_closing(tmp_path: Path) -> None:
    store = made(tmp_path / "a.kin")
    store.close()
    store = open_store(tmp_path / "a.kin")
    ids, values = held(store)
    assert ids == [f"{n}.jpg" for n in range(30)] == store.ids()
    wanted = vectors(30)
    assert np.allclose(values, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-7)
    assert store.about.columns == ["camera"]
    assert store.known(["7.jpg", "no.jpg"])["7.jpg"].listed.columns == {"camera": 2}
    assert os.listdir(tmp_path) == ["a.kin"] or {"a.kin-shm", "a.kin-wal"} >= set(os.listdir(tmp_path)) - {"a.kin"}


def test_an_update_takes_the_place_of_what_was_there_and_new_columns_come() -> None:
    store = made()
    store.add([entry("3.jpg", np.ones(DIM), camera=9, label="wren"), entry("new.jpg", np.ones(DIM))])
    ids, values = held(store)
    assert len(store) == len(ids) == 31
    assert sorted(ids) == sorted([f"{n}.jpg" for n in range(30)] + ["new.jpg"])
    assert np.allclose(values[ids.index("3.jpg")], 1 / np.sqrt(DIM))
    assert store.known(["3.jpg"])["3.jpg"].listed.columns == {"camera": 9, "label": "wren"}
    assert store.known(["4.jpg"])["4.jpg"].listed.columns == {"camera": 4, "label": None}
    assert store.remove(["3.jpg", "no.jpg"]) == 1
    assert len(store) == len(store.ids()) == 30


def test_a_batch_is_added_whole_or_not_at_all() -> None:
    store = made()
    before = held(store)
    for bad, sentence in (
        (np.ones(DIM + 1), r"has the shape \(13,\) and the index in memory holds 12 numbers"),
        (np.zeros(DIM), "zero or not finite"),
        (np.full(DIM, np.nan), "zero or not finite"),
    ):
        with pytest.raises(KinsightError, match=sentence):
            store.add([entry("new.jpg", np.ones(DIM)), entry("bad.jpg", bad)])
    with pytest.raises(KinsightError, match=r"'new\.jpg' was given twice"):
        store.add([entry("new.jpg", np.ones(DIM)), entry("new.jpg", np.ones(DIM))])
    with pytest.raises(KinsightError, match="not UTF-8"):
        entry("half\udc80.jpg", np.ones(DIM))
    assert store.ids() == before[0]
    assert np.array_equal(held(store)[1], before[1])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_search_equals_the_reference_on_what_is_kept(dtype: str) -> None:
    store = made(count=200, dtype=dtype)
    matrix = Matrix(store)
    queries = vectors(5, seed=1)
    kept = held(store)[1]
    wanted = neighbours(queries, kept.astype(np.float32), k=7)
    for number, query in enumerate(queries):
        found = matrix.nearest(query, 7)
        assert np.array_equal(found.indices, wanted.indices[number])
        assert np.array_equal(found.scores, wanted.scores[number])


@pytest.mark.parametrize("where", ["camera = 1", "camera != 1", "id = '5.jpg'", "camera > 99"])
def test_a_condition_gives_the_nearest_of_those_that_meet_it(where: str) -> None:
    store = made(count=60)
    matrix = Matrix(store)
    (query,) = vectors(1, seed=2)
    everything = matrix.nearest(query, 60)
    rows = matrix.allowed(where)
    meets: dict[str, Callable[[int], bool]] = {
        "camera = 1": lambda n: n % 5 == 1,
        "camera != 1": lambda n: n % 5 != 1,
        "id = '5.jpg'": lambda n: n == 5,
        "camera > 99": lambda n: False,
    }
    wanted = [row for row in everything.indices.tolist() if meets[where](row)][:6]
    assert matrix.nearest(query, 6, rows=rows).indices.tolist() == wanted


def test_equal_pictures_come_in_the_order_in_which_they_were_added() -> None:
    store = create_store(None, About(DIM))
    (one,) = vectors(1)
    store.add([entry(f"{name}.jpg", one) for name in "cab"])
    assert Matrix(store).nearest(one, 2).indices.tolist() == [0, 1]
    assert np.isclose(Matrix(store).nearest(3 * one, 1).scores[0], 1, atol=1e-6)


def test_the_matrix_follows_what_another_process_writes(tmp_path: Path) -> None:
    store = made(tmp_path / "a.kin")
    reader = open_store(tmp_path / "a.kin")
    matrix = Matrix(reader)
    store.add([entry("3.jpg", np.ones(DIM)), entry("new.jpg", -np.ones(DIM))])
    store.remove(["5.jpg"])
    assert len(matrix.numbers) == 30
    matrix.refresh()
    fresh = Matrix(reader)
    assert np.array_equal(matrix.numbers, fresh.numbers)
    assert np.array_equal(matrix.rows.numpy(), fresh.rows.numpy())
    (row,) = matrix.nearest(np.ones(DIM, np.float32), 1).indices
    assert reader.pictures([matrix.numbers[row]])[int(matrix.numbers[row])].listed.id == "3.jpg"
    with pytest.raises(KinsightError, match="cannot be written"):
        reader.remove(["3.jpg"])


def test_writing_again_and_again_does_not_let_the_file_grow(tmp_path: Path) -> None:
    store = made(tmp_path / "a.kin", count=200)
    pages = store.pages()
    store._connection.execute("PRAGMA synchronous = OFF")
    for turn in range(100):
        store.add([entry(f"{turn}.jpg", vectors(1, seed=turn)[0], camera=1)])
    assert len(store) == 200
    assert store.pages() <= 1.5 * pages
    more = np.tile(vectors(1), (5000, 1))
    store.add([entry(f"more {n}.jpg", vector) for n, vector in enumerate(more)])
    assert store.pages() > pages + 150
    store.remove([f"more {n}.jpg" for n in range(5000)])
    assert store.pages() <= 1.5 * pages + 64
    store.close()
    assert (tmp_path / "a.kin").stat().st_size <= (1.5 * pages + 64) * 4096


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_pictures_added_one_by_one_take_the_room_of_one_batch(tmp_path: Path, count: int) -> None:
    store = create_store(tmp_path / "a.kin", About(DIM))
    store._connection.execute("PRAGMA synchronous = OFF")
    several, log = entries(count), 0
    for each in several:
        store.add([each])
        log = max(log, (tmp_path / "a.kin-wal").stat().st_size)
    at_once = create_store(None, About(DIM))
    at_once.add(several)
    assert store.pages() <= 1.05 * at_once.pages() + 2
    assert log <= 1100 * 4096, "SQLite writes it into the file after every 1,000 pages"
    store.close()
    assert os.listdir(tmp_path) == ["a.kin"]


def _write_without_end(path: Path, seed: int, said: Any) -> None:
    """Adds, updates and removes at random, and says each change once it is acknowledged."""
    store, random_ = open_store(path, writable=True), random.Random(seed)
    turn = 0
    while True:
        turn += 1
        if random_.random() < 0.3:
            ids = random_.sample(range(60), 10)
            store.remove([f"{n}.jpg" for n in ids])
            said.send(("remove", ids, turn))
        else:
            ids = random_.sample(range(60), 8)
            store.add([entry(f"{n}.jpg", vectors(60, seed=turn)[n], camera=turn) for n in ids])
            said.send(("add", ids, turn))


def kill_and_compare(path: Path, seed: int) -> None:
    made(path, 0).close()
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=_write_without_end, args=(path, seed, theirs))
    child.start()
    theirs.close()
    first = ours.recv()
    time.sleep(random.Random(seed).uniform(0, 0.15))
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    turns: dict[int, int] = {}  # of each id, the turn of its vector
    last = _replay(first, ours, turns)
    store = open_store(path, writable=True)
    ids, values = held(store)
    assert len(set(ids)) == len(ids) == len(store)
    there = {int(id_.split(".")[0]): known.listed.columns["camera"] for id_, known in store.known(ids).items()}
    different = {n for n in set(there) | set(turns) if there.get(n) != turns.get(n)}
    later = {turn for n in different if (turn := there.get(n)) is not None}
    assert later <= {last + 1}, "only a change that was committed and not said yet"
    assert len(different) <= 10
    for id_, value in zip(ids, values, strict=True):
        number = int(id_.split(".")[0])
        wanted = vectors(60, seed=int(there[number]))[number]
        assert np.allclose(value, wanted / np.linalg.norm(wanted), atol=1e-6)
    store.add([entry("after.jpg", np.ones(DIM))])
    assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


def _replay(message: Any, said: Any, turns: dict[int, int]) -> int:
    """What was acknowledged, one after the other; the number of the last turn."""
    while True:
        what, ids, turn = message
        for number in ids:
            if what == "add":
                turns[number] = turn
            else:
                turns.pop(number, None)
        try:
            message = said.recv()
        except (EOFError, OSError):
            return int(turn)


def strange(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON pictures BEGIN DELETE FROM vectors; END", "holds the trigger 't'"),
        ("CREATE VIEW v AS SELECT 1", "holds the view 'v'"),
        ("CREATE TABLE more (x)", "holds the table 'more'"),
        ("ALTER TABLE pictures ADD COLUMN bad AS (hex(id))", "holds the table 'pictures'"),
        ("CREATE INDEX i ON pictures (hex(id))", "holds the index 'i'"),
        ("DROP TABLE places", "lacks the table places"),
        ("PRAGMA user_version = 7", "an index of version 7"),
        ("PRAGMA application_id = 7", "is no index of Kinsight"),
        ("UPDATE about SET value = '-5' WHERE name = 'dim'", "is damaged"),
        ("UPDATE about SET value = '\"x\"' WHERE name = 'dim'", "says 'x' of its dim"),
        ("UPDATE about SET value = '[[[' WHERE name = 'model'", "does not say its model"),
        ("DELETE FROM about WHERE name = 'dtype'", "does not say its dtype"),
        ("UPDATE about SET value = '\"object\"' WHERE name = 'dtype'", "is damaged"),
    ],
)
def test_a_file_of_a_stranger_is_held_against_what_an_index_is(
    small: Path, tmp_path: Path, statement: str, sentence: str
) -> None:
    shutil.copy(small, tmp_path / "a.kin")
    strange(tmp_path / "a.kin", statement)
    for writable in (False, True):
        with pytest.raises(KinsightError, match=sentence):
            open_store(tmp_path / "a.kin", writable=writable)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE vectors SET vector = 'text' WHERE number = 2", "a vector has another length"),
        ("UPDATE vectors SET vector = zeroblob(1000000) WHERE number = 2", "a vector has another length"),
        ("UPDATE vectors SET vector = zeroblob(48) WHERE number = 2", "has no direction"),
    ],
)
def test_vectors_of_a_stranger_are_measured_before_they_are_used(
    small: Path, tmp_path: Path, statement: str, sentence: str
) -> None:
    shutil.copy(small, tmp_path / "a.kin")
    strange(tmp_path / "a.kin", statement)
    with pytest.raises(KinsightError, match=sentence):
        Matrix(open_store(tmp_path / "a.kin"))


def test_files_that_are_no_index_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.kin").write_text("not a database, but long enough to have a header of some kind" * 50)
    (tmp_path / "empty.kin").write_bytes(b"")
    path = tmp_path / "cut.kin"
    made(path, 500).close()
    path.write_bytes(path.read_bytes()[:9000])
    for name in ("text.kin", "empty.kin"):
        with pytest.raises(KinsightError, match="is no index"):
            open_store(tmp_path / name)
    with pytest.raises(KinsightError, match=r"cut\.kin is no index or is damaged"):
        Matrix(open_store(path))
    with pytest.raises(KinsightError, match="does not exist; build it with kinsight index"):
        open_store(tmp_path / "none.kin")


def test_any_damage_gives_an_answer_or_a_sentence(tmp_path: Path) -> None:
    whole = tmp_path / "a.kin"
    made(whole, 60).close()
    data, draw = whole.read_bytes(), random.Random(3)
    for turn in range(25):
        broken = bytearray(data)
        for _ in range(draw.choice((1, 30))):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        path = tmp_path / f"{turn}.kin"
        path.write_bytes(broken)
        try:
            matrix = Matrix(open_store(path))
            found = matrix.nearest(np.ones(DIM, np.float32), 3)
            matrix.store.pictures(matrix.numbers[found.indices].tolist())
        except KinsightError:
            continue


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_index_in_a_folder_that_cannot_be_written_is_read(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "read only"
    folder.mkdir()
    shutil.copy(small, folder / "a.kin")
    folder.chmod(0o500)
    try:
        assert len(open_store(folder / "a.kin")) == 3
    finally:
        folder.chmod(0o700)


def test_entries_of_a_generator_keep_all_kinds_of_values() -> None:
    store = create_store(None, About(DIM))
    values = {
        "whole": 2**40,
        "huge": 2**80,
        "share": 0.25,
        "word": "ü",
        "yes": True,
        "none": None,
        "nan": float("nan"),
        "number": np.int64(3),
    }
    store.add([entry("a.jpg", np.ones(DIM), **values)])
    kept = store.known(["a.jpg"])["a.jpg"].listed.columns
    assert kept == {
        "whole": 2**40,
        "huge": str(2**80),
        "share": 0.25,
        "word": "ü",
        "yes": 1,
        "none": None,
        "nan": None,
        "number": 3,
    }


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_while_writing_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    kill_and_compare(tmp_path / "a.kin", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_twenty_kills_while_writing_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    kill_and_compare(tmp_path / "a.kin", seed)


def test_entries_helper_counts_cameras() -> None:
    assert [each.listed.columns["camera"] for each in entries(6)] == [0, 1, 2, 3, 4, 0]
