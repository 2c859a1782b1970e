"""Search by places: compressed places against exact ones, and an index that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kinsight as package
from kinsight.errors import KinsightError
from kinsight.explanation.part_query import own_places
from kinsight.retrieval.about import About
from kinsight.retrieval.entries import Entry, Listed
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.opening import create_store
from kinsight.retrieval.places import PlaceMatrix, fit_directions, pack_places, place_cosines
from tiny_run import SIDE


def made_places(count: int, seed: int = 0) -> np.ndarray:
    """(N, 3, 4, 12), in a space of 6 directions."""
    random = np.random.default_rng(seed)
    return (
        random.standard_normal((count, 3, 4, 6))
        @ random.standard_normal((6, 12))
        * random.uniform(0.1, 9, (count, 3, 4, 1))
    )


def test_codes_are_the_cosines_of_places_but_for_eight_bits() -> None:
    places = made_places(20)
    directions = fit_directions(places, 6)
    assert np.allclose(directions.T @ directions, np.eye(6), atol=1e-5)
    store = create_store(None, About(12, places={"stage": 0}))
    store.keep_directions(directions)
    entries = [
        Entry(
            Listed(f"{n}.jpg", f"/{n}.jpg", None, {"camera": n % 2}),
            FileState(1, 1, ""),
            one.sum((0, 1)),
            pack_places(one, directions),
        )
        for n, one in enumerate(places)
    ]
    store.add(entries)
    matrix = PlaceMatrix(store)
    query = places[7, 1, 2]
    exact = np.array([place_cosines(query, one).max() for one in places])
    found = matrix.find(query, 20)
    assert found.numbers[0] == 8, "its own picture"
    assert np.allclose(found.scores, exact[found.numbers - 1], atol=0.01)
    assert set(matrix.find(query, 3).numbers) == set(1 + np.argsort(-exact)[:3])
    odd = store.numbers("camera = 1")
    assert set(matrix.find(query, 20, "camera = 1").numbers) == set(odd)
    assert (len(matrix), matrix.count(None), matrix.count("camera = 1")) == (20, 20, len(odd))
    store.remove(["7.jpg"])
    store.add(
        [
            entries[3],
            Entry(Listed("new.jpg", "/new.jpg"), FileState(1, 1, ""), np.ones(12), pack_places(places[7], directions)),
        ]
    )
    matrix.refresh()
    found = matrix.find(query, 20)
    assert store.pictures([int(found.numbers[0])])[int(found.numbers[0])].listed.id == "new.jpg"
    assert len(found.numbers) == 20


@pytest.mark.long
def test_an_index_that_keeps_places_is_searched_by_them(
    kinsight: Callable[..., Any], finished: Path, pictures: Path, tmp_path: Path
) -> None:
    table = (
        pd.read_csv(pictures)
        .iloc[:48:12]
        .assign(path=lambda rows: [str(pictures.parent / path) for path in rows["path"]])
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    out = tmp_path / "a.kin"
    assert (
        kinsight(
            "index", finished, tmp_path / "table.csv", "--out", out, "--places", "--workers", 0, "--batch-size", 3
        ).code
        == 0
    )
    with package.open_index(out) as index:
        query, region = table["path"].iloc[2], (0, 0, SIDE, SIDE / 2)
        found = index.search(query, region=region, by="places", top=2)
        assert "_matrix" not in vars(index), "whole embeddings are not read for it"
        assert found.searched == 4
        for hit in found:
            assert hit.view is not None
            cosines = place_cosines(found.vector, own_places(hit.view))
            assert hit.score == pytest.approx(cosines.max(), abs=0.05)
            assert hit.answers is not None
            assert np.allclose(hit.answers, cosines, atol=1e-6)
        assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
        plain = package.index(index.model, tmp_path / "table.csv", workers=0)
        kept, wanted = (np.concatenate([some for _, some in one.store.vectors()]) for one in (index, plain))
        assert np.allclose(kept, wanted, atol=2e-3), "whole embeddings are those of an index without places"
        with pytest.raises(KinsightError, match="keeps no places"):
            plain.search(query, by="places")
        whole, anew = plain.search(query, region=region), plain.search(query, region=region, rerank=20, top=20)
        best = {
            hit.id: place_cosines(whole.vector, own_places(hit.view)).max() for hit in whole if hit.view is not None
        }
        assert [hit.id for hit in anew] == sorted(best, key=lambda id_: -best[id_])
        assert [hit.score for hit in anew] == pytest.approx(sorted(best.values(), reverse=True))
        first = plain.search(query, region=region, rerank=2, top=2)
        assert {hit.id for hit in first} == {hit.id for hit in whole.hits[:2]}
        with pytest.raises(KinsightError, match="rerank is 2 and top 3"):
            plain.search(query, rerank=2, top=3)
        with pytest.raises(KinsightError, match="ranked by places already"):
            index.search(query, by="places", rerank=20)
    said = kinsight("search", out, query, "--by", "places", "--top", 1, "--no-answers")
    assert "against the best places of 4 pictures" in said.out
