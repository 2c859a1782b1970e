"""Approximate search: lists beside the index file, completed by what is new, known by their token, and safe from kills."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

import kinsight as package
from kinsight.errors import KinsightError
from kinsight.files import write_npz
from kinsight.reading import read_npz
from kinsight.retrieval.approximate import Approximate, build_lists, lists_path, open_lists
from kinsight.retrieval.inverted_lists import Enough
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.opening import open_store
from kinsight.retrieval.store import Store
from retrieval.made_index import DIM, entry, made, vectors

COUNT = 2000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with lists; to be copied."""
    path = tmp_path_factory.mktemp("built") / "a.kin"
    store = made(path, COUNT)
    build_lists(store)
    store.close()
    return path


def copied(built: Path, folder: Path) -> Path:
    for path in (built, lists_path(built)):
        shutil.copy(path, folder / path.name)
    return folder / built.name


def recall(approximate: Approximate, store: Store, where: str | None = None, k: int = 10) -> float:
    """Also holds the scores against the exact ones."""
    exact, shares = Matrix(store), []
    for query in vectors(40, seed=1):
        wanted, found = exact.find(query, k, where), approximate.find(query, k, where)
        assert (np.diff(found.scores) <= 0).all()
        assert len(found.numbers) == len(wanted.numbers)
        scores = dict(zip(*exact.find(query, COUNT, where), strict=True))
        assert [scores[number] for number in found.numbers] == found.scores.tolist()
        shares.append(np.isin(wanted.numbers, found.numbers).mean())
    return float(np.mean(shares))


def test_faiss_that_another_library_has_changed_searches_all_the_same(built: Path) -> None:
    importlib.import_module("faiss.contrib.torch_utils")  # as pytorch-metric-learning does
    store = open_store(built)
    assert recall(open_lists(store), store) >= 0.95
    assert build_lists(made(None, COUNT)).enough.recall >= 0.99


@pytest.mark.parametrize("where", [None, "camera = 1", "camera = 1 and id like '1%'"])
def test_most_of_the_nearest_are_found_and_their_scores_are_exact(built: Path, where: str | None) -> None:
    store = open_store(built)
    approximate = open_lists(store)
    assert approximate.enough.recall >= 0.99
    assert approximate.enough.compared < COUNT, "or this would be exact search"
    assert recall(approximate, store, where) >= 0.95
    assert approximate.count(where) == Matrix(store).count(where)


def test_where_everything_is_compared_nothing_is_missed(built: Path) -> None:
    store = open_store(built)
    approximate = open_lists(store)
    approximate.enough = Enough(COUNT, 1.0)
    assert recall(approximate, store) == 1
    assert len(approximate.find(np.ones(DIM, np.float32), 10, "camera = 99").numbers) == 0


def test_what_is_added_changed_and_removed_later_is_found_exactly(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    reader, writer = open_store(path), open_store(path, writable=True)
    approximate = open_lists(reader)
    (query,) = vectors(1, seed=9)
    before = Matrix(reader).find(query, 3)
    first, second, _ = (reader.pictures([number])[number].listed.id for number in before.numbers.tolist())
    writer.add([entry("new.jpg", query, camera=7), entry(first, -query, camera=7)])
    writer.remove([second])
    approximate.refresh()
    found, exact = approximate.find(query, 4), Matrix(reader).find(query, 4)
    assert found.numbers.tolist() == exact.numbers.tolist()
    assert found.scores.tolist() == exact.scores.tolist()
    assert found.numbers[0] == COUNT + 1
    assert before.numbers[2] in found.numbers
    assert not set(before.numbers[:2].tolist()) & set(found.numbers.tolist())
    assert approximate.later == 2
    assert approximate.find(query, 9, "camera = 7").numbers.tolist() == [COUNT + 1, COUNT + 2]
    assert len(approximate) == approximate.count(None) == COUNT
    # Opened anew, and in memory, it is the same.
    assert open_lists(reader).find(query, 4).numbers.tolist() == exact.numbers.tolist()


def test_equal_pictures_come_in_the_order_in_which_they_were_added(built: Path, tmp_path: Path) -> None:
    store = open_store(copied(built, tmp_path), writable=True)
    (query,) = vectors(1, seed=9)
    store.add([entry(f"{name}.jpg", query) for name in "cab"])
    build_lists(store)
    store.add([entry("d.jpg", query)])
    found = open_lists(store).find(query, 4).numbers
    assert [store.pictures([number])[number].listed.id for number in found.tolist()] == [
        "c.jpg",
        "a.jpg",
        "b.jpg",
        "d.jpg",
    ]


@pytest.mark.parametrize("count", [1, 2, 45])
def test_an_index_of_a_few_pictures_has_lists_too(count: int) -> None:
    store = made(None, count)
    approximate = build_lists(store)
    assert recall(approximate, store) == 1
    with pytest.raises(KinsightError, match="holds no pictures"):
        build_lists(made(None, 0))


def test_lists_of_another_state_are_not_used(built: Path, tmp_path: Path) -> None:
    store = made(tmp_path / "none.kin", 3)
    with pytest.raises(KinsightError, match=r"none\.kin has no lists .* --out .*none\.kin --approximate"):
        open_lists(store)
    with pytest.raises(KinsightError, match="made without lists"):
        open_lists(made(None, 3))
    path = copied(built, tmp_path)
    shutil.copy(path, tmp_path / "older.kin")
    store = open_store(path, writable=True)
    build_lists(store)
    store.close()
    shutil.copy(tmp_path / "older.kin", path)  # as from a backup
    with pytest.raises(KinsightError, match="lists of another index or of another state"):
        open_lists(open_store(path))
    lists_path(path).unlink()
    with pytest.raises(KinsightError, match="does not exist; build them with kinsight index"):
        open_lists(open_store(path))


def _cut(arrays: dict[str, np.ndarray]) -> None:
    arrays["codes"] = arrays["codes"][:-1]


def _astray(arrays: dict[str, np.ndarray]) -> None:
    arrays["lists"][5] = 2**30


def _not_finite(arrays: dict[str, np.ndarray]) -> None:
    arrays["ranges"][0] = np.nan


def _lacking(arrays: dict[str, np.ndarray]) -> None:
    del arrays["centres"]


@pytest.mark.parametrize("harm", [_cut, _astray, _not_finite, _lacking])
def test_damaged_lists_are_refused_in_a_sentence(
    built: Path, tmp_path: Path, harm: Callable[[dict[str, np.ndarray]], None]
) -> None:
    path = copied(built, tmp_path)
    arrays = read_npz(lists_path(path))
    harm(arrays)
    write_npz(lists_path(path), arrays)
    with pytest.raises(KinsightError, match=r"a\.kin\.lists is damaged .*; build them with kinsight index"):
        open_lists(open_store(path))
    lists_path(path).write_bytes(b"PK no zip")
    with pytest.raises(KinsightError, match=r"is not an \.npz"):
        open_lists(open_store(path))


def _build_without_end(path: Path, said: Any) -> None:
    torch.set_num_threads(1)  # those of the forking process are not there
    faiss.omp_set_num_threads(1)
    store, turn = open_store(path, writable=True), 0
    while True:
        turn += 1
        store.add([entry(f"new {turn}.jpg", vectors(1, seed=turn)[0], camera=1)])
        said.send(turn)
        build_lists(store)


def kill_while_building(built: Path, folder: Path, seed: int) -> None:
    path = copied(built, folder)
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=_build_without_end, args=(path, theirs))
    child.start()
    theirs.close()
    ours.recv()
    time.sleep(random.Random(seed).uniform(0, 0.8))
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    store = open_store(path, writable=True)
    try:
        approximate = open_lists(store)
    except KinsightError:  # between the file and the token
        approximate = build_lists(store)
    approximate.enough = Enough(2 * COUNT, 1.0)
    assert len(store) > COUNT
    for query in vectors(5, seed=3):
        assert approximate.find(query, 10).numbers.tolist() == Matrix(store).find(query, 10).numbers.tolist()
    build_lists(store)
    store.close()
    assert not list(folder.glob(".*.part")), "what the kill left is gone"
    assert {file.name for file in folder.iterdir()} == {"a.kin", "a.kin.lists"}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_while_lists_are_built_harms_nothing(built: Path, tmp_path: Path, seed: int) -> None:
    kill_while_building(built, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 23))
def test_twenty_kills_while_lists_are_built_harm_nothing(built: Path, tmp_path: Path, seed: int) -> None:
    kill_while_building(built, tmp_path, seed)


@pytest.mark.long
def test_the_verbs_build_lists_and_search_through_them(
    kinsight: Callable[..., Any], finished: Path, pictures: Path, birds: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b.kin"
    shutil.copy(birds, out)
    query = next(pictures.parent.rglob("*.png"))
    assert "has no lists for approximate search" in kinsight("search", out, query, "--approximate").sentence
    said = kinsight("index", "--out", out, "--approximate")
    assert "approximate search compares" in said.out, said.err
    asked = ("search", out, query, "--top", 3, "--no-answers", "--where", "split = 'test'")
    exact, said = kinsight(*asked), kinsight(*asked, "--approximate")
    assert exact.out.splitlines()[0] + ", approximately" == said.out.splitlines()[0]
    assert exact.out.splitlines()[1:] == said.out.splitlines()[1:]
    with package.open_index(out) as index:
        assert not index.search(query, top=3, answers=False, approximate=True).exact
        with pytest.raises(KinsightError, match="leave one of the two out"):
            index.search(query, by="places", approximate=True)
    in_memory = package.index(finished, [query], workers=0, approximate=True)
    assert in_memory.enough is not None
    assert not len(in_memory.search(query, approximate=True, answers=False))
