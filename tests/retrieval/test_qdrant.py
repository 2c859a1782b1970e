"""An index on a Qdrant server, tested against the client's local mode; addresses and what servers say against a socket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import kinsight
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.models import Embedder, ModelSettings, build_embedder
from kinsight.retrieval import qdrant_store
from kinsight.retrieval.about import About
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.qdrant_store import (
    QdrantSearched,
    QdrantStore,
    connected,
    create_server,
    is_server,
    open_server,
)
from kinsight.retrieval.store import Store
from retrieval.made_index import DIM, entries, entry, made, vectors

qdrant_client = pytest.importorskip("qdrant_client")
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")
ADDRESS = "qdrant://somewhere:6333/birds"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All addresses lead to one server in memory."""
    client = qdrant_client.QdrantClient(":memory:")
    close = client.close
    client.close = lambda: None
    monkeypatch.setattr(qdrant_store, "connected", lambda address: (client, address.rsplit("/", 1)[1]))
    yield
    close()


def both(count: int = 60) -> tuple[QdrantStore, Store]:
    """The same pictures on a server and in memory; some have no label, and weights are no whole numbers."""
    several = [
        entry(f"{n}.jpg", vector, camera=n % 5, label=("wren", "robin", "", None)[n % 4], weight=n / 4)
        for n, vector in enumerate(vectors(count))
    ]
    there = create_server(ADDRESS, About(DIM, "float32"))
    here = made(None, 0)
    for store in (there, here):
        store.add(several)
    return there, here


def found(store: QdrantStore | Store, query: np.ndarray, where: str | None = None) -> list[tuple[str, float]]:
    searched = QdrantSearched(store, exact=True) if isinstance(store, QdrantStore) else Matrix(store)
    ranked = searched.find(query, 60, where)
    known = searched.pictures(ranked.numbers.tolist())
    assert searched.count(where) == len(ranked.numbers)
    return [
        (known[number].listed.id, round(float(score), 4))
        for number, score in zip(*map(np.ndarray.tolist, ranked), strict=True)
    ]


CONDITIONS = [
    "camera = 3",
    "camera != 3 and label = 'wren'",
    "not (camera = 3 or label = 'wren')",
    "not (camera < 3 and not label in ('wren', 'robin'))",
    "label != 'wren'",
    "not label != 'wren'",
    "label not in ('wren', '')",
    "label is null or camera is not null and camera >= 4",
    "not label",
    "label and not camera",
    "weight = 2 or weight = 2.25 or weight > 13.5",
    "not weight > 3.0",
    "id in ('3.jpg', '7.jpg') or path = '/pictures/9.jpg'",
    "not (label is null)",
]


def test_searches_and_conditions_mean_what_they_mean_in_a_file(server: None) -> None:
    there, here = both()
    (query,) = vectors(1, seed=3)
    assert len(there) == 60
    assert there.about == About(DIM, "float32", columns=["camera", "label", "weight"])
    for where in (None, *CONDITIONS):
        assert found(there, query, where) == found(here, query, where), where
    for where, sentence in (
        ("label like 'w%'", "with =, != and in alone, not with like"),
        ("label < 'w'", "not with <"),
        ("town = 3", "no column of this index"),
    ):
        with pytest.raises(KinsightError, match=sentence):
            there.count(where)


def test_what_is_changed_noted_and_removed(server: None) -> None:
    there, here = both()
    (query,) = vectors(1, seed=3)
    for store in (there, here):
        store.add([entry("3.jpg", -query, camera=9), entry("new.jpg", query, town="Graz")])
        assert store.remove(["5.jpg", "none.jpg"]) == 1
        (known,) = store.known(["7.jpg", "none.jpg"]).values()
        noted = entry("7.jpg", query, camera=8, label=None).listed
        store.note([(noted, known.state._replace(modified=77))])
    assert found(there, query) == found(here, query)
    assert found(there, query, "camera > 7 or town = 'Graz'") == found(here, query, "camera > 7 or town = 'Graz'")
    ours, theirs = there.known(["3.jpg", "7.jpg", "new.jpg"]), here.known(["3.jpg", "7.jpg", "new.jpg"])
    assert {id_: known._replace(number=0) for id_, known in ours.items()} == {
        id_: known._replace(number=0) for id_, known in theirs.items()
    }
    assert sorted(there.ids()) == sorted(here.ids())
    assert open_server(ADDRESS).about.columns == ["camera", "label", "weight", "town"]
    with pytest.raises(KinsightError, match=r"'a\.jpg' was given twice"):
        there.add([entry("a.jpg", query), entry("a.jpg", query)])
    with pytest.raises(KinsightError, match="has the shape"):
        there.add([entry("a.jpg", query[:5])])
    assert entries(1)[0].listed.id in there.ids()


@pytest.mark.long
def test_the_verbs_take_an_address(server: None, pictures: Path, tmp_path: Path) -> None:
    model = build_embedder(ModelSettings(trunk="test_resnet", size=96, resize=96, head={"dim": 16}), seed=2).eval()
    other = build_embedder(ModelSettings(trunk="test_resnet", size=96, resize=96, head={"dim": 16}), seed=3).eval()
    files = sorted(pictures.parent.rglob("*.png"))[:5]
    for number, file in enumerate(files):
        shutil.copy(file, tmp_path / f"{number}.png")
    with pytest.raises(KinsightError, match="is not there; build it with kinsight index"):
        kinsight.open_index(ADDRESS)
    some = [tmp_path / f"{number}.png" for number in range(5)]
    with kinsight.index(model, some[:4], out=ADDRESS, workers=0) as made_there:
        assert made_there.built is not None
        assert (made_there.built.added, len(made_there)) == (4, 4)
    with pytest.raises(KinsightError, match="is an index already, of 4 pictures"):
        kinsight.index(model, some, out=ADDRESS, workers=0)
    there = kinsight.index(model, some, out=ADDRESS, update=True, workers=0)
    assert there.built is not None
    assert (there.built.added, there.built.unchanged) == (1, 4)
    here = kinsight.index(model, some, workers=0)
    there.explainer = here.explainer = Explainer(model, stage=0)  # to find out whether a finer map is exact takes long
    exact, theirs = here.search(some[0], answers=False), there.search(some[0], answers=False)
    assert [hit.id for hit in exact] == [hit.id for hit in theirs]
    assert np.allclose([hit.score for hit in exact], [hit.score for hit in theirs], atol=1e-3)
    assert theirs.exact
    assert not there.search(some[0], answers=False, approximate=True).exact
    assert kinsight.open_index(ADDRESS, model=model).remove(str(some[4])) == 1
    _refusals(model, other, some)


def _refusals(model: Embedder, other: Embedder, some: list[Path]) -> None:
    there = kinsight.open_index(ADDRESS, model=other)
    for wrong, sentence in (
        (lambda: there.search(some[0]), "holds embeddings of the model"),
        (lambda: kinsight.index(other, some, out=ADDRESS, update=True, workers=0), "holds embeddings of the model"),
        (there.build_approximate, "a server has a graph of its own"),
        (lambda: there.search(some[0], by="places"), "keeps no places"),
        (lambda: kinsight.index(model, some, out=f"{ADDRESS}2", places=True, workers=0), "cannot keep places"),
        (lambda: kinsight.index(model, some[0].parent / "none", out=f"{ADDRESS}2"), "does not exist"),
    ):
        with pytest.raises(KinsightError, match=sentence):
            wrong()
    assert not qdrant_store.server_has(f"{ADDRESS}2")


@pytest.mark.parametrize(
    "address",
    [
        "qdrant://",
        "qdrant://host",
        "qdrant://host:x/a",
        "qdrant://host/a/b",
        "qdrant://me:key@host/a",
        "qdrant://host/a?key=5",
    ],
)
def test_addresses_that_name_no_index_are_refused(address: str) -> None:
    assert is_server(address)
    with pytest.raises(KinsightError, match="names no index on a server; write qdrant://HOST:PORT/NAME"):
        connected(address)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    assert not is_server(str(tmp_path / "a.kin"))
    with pytest.raises(KinsightError, match=r"qdrant://127\.0\.0\.1:9/birds does not answer .*; look whether"):
        kinsight.open_index("qdrant://127.0.0.1:9/birds")
