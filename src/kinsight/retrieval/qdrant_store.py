"""An index beyond one machine: a collection of a Qdrant server, under an address such as qdrant://host:6333/birds.

The collection's metadata say what an index file's table `about` says; a point is a picture, under a number that its id alone decides, so
that a picture that comes again takes the place of the older one. The key of a server that wants one stands in the environment:
QDRANT_API_KEY.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit

import numpy as np

from kinsight.errors import KinsightError
from kinsight.retrieval.about import About, about_of, fitting
from kinsight.retrieval.entries import Entry, Listed, box_of, box_text, cell, require_unlike
from kinsight.retrieval.file_state import FileState
from kinsight.retrieval.qdrant_where import filter_of
from kinsight.retrieval.searched import Ranked
from kinsight.retrieval.store import Known
from kinsight.retrieval.where import parse_tree

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.http.models import Filter

_SCHEMES = {"qdrant": "http", "qdrants": "https"}
_PORT = 6333
_OURS = "kinsight"  # the metadata that are ours
_PORTION = 256  # points in one request
_NO_PLACES = "{} cannot keep places, which files can; leave places out, or give a file"
_EXAMPLE = "write qdrant://HOST:PORT/NAME, or qdrants:// for TLS"


class QdrantStore:
    """An index in a collection; the same to those who build and search as a `Store`."""

    path = None

    def __init__(self, client: QdrantClient, collection: str, name: str) -> None:
        self._client, self._collection, self.name = client, collection, name
        self.about = self._read_about()

    def __len__(self) -> int:
        return self.count(None)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def refresh(self) -> None:
        """Read anew what others may have changed of `about`."""
        self.about = self._read_about()

    def describe(self, **facts: Any) -> None:
        """Write facts of `about`."""
        self.refresh()
        with _explained(self.name):
            self._client.update_collection(self._collection, metadata=_metadata(vars(self.about) | facts))
        self.refresh()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add pictures, or put them in the place of those of the same ids; acknowledged when the server has them.

        Raises:
            KinsightError: a vector does not fit, an id stands twice, or the server does not answer.
        """
        from qdrant_client.http.models import PointStruct

        require_unlike(entries)
        vectors = [fitting(entry.vector, entry.listed.id, self.about, self.name) for entry in entries]
        names = self._with_columns([name for entry in entries for name in entry.listed.columns])
        points = [
            PointStruct(id=_number(entry.listed.id), vector=vector.tolist(), payload=_payload(entry, names))
            for entry, vector in zip(entries, vectors, strict=True)
        ]
        with _explained(self.name):
            for start in range(0, len(points), _PORTION):
                self._client.upsert(self._collection, points[start : start + _PORTION], wait=True)

    def note(self, pictures: Sequence[tuple[Listed, FileState]]) -> None:
        """Write new columns, paths and times of pictures whose embeddings stay."""
        names = self._with_columns([name for listed, _ in pictures for name in listed.columns])
        with _explained(self.name):
            for listed, state in pictures:
                values = {f"c{names.index(name)}": cell(value) for name, value in listed.columns.items()}
                values |= {"path": listed.path, "size": state.size, "modified": state.modified}
                self._client.set_payload(self._collection, values, points=[_number(listed.id)], wait=True)

    def remove(self, ids: Collection[str]) -> int:
        """Remove pictures by id; how many of them were there."""
        from qdrant_client.http.models import PointIdsList

        gone = [known.number for known in self.known(ids).values()]
        with _explained(self.name):
            for start in range(0, len(gone), _PORTION):
                some = PointIdsList(points=list(gone[start : start + _PORTION]))
                self._client.delete(self._collection, some, wait=True)
        return len(gone)

    def known(self, ids: Collection[str]) -> dict[str, Known]:
        """Those of some ids that the index has."""
        return {known.listed.id: known for known in self.pictures([_number(id_) for id_ in ids]).values()}

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers; those that are no longer there are left out."""
        wanted, found = [int(number) for number in numbers], {}
        with _explained(self.name):
            for start in range(0, len(wanted), _PORTION):
                some = wanted[start : start + _PORTION]
                for record in self._client.retrieve(self._collection, some, with_payload=True):
                    found[int(record.id)] = self._known(int(record.id), record.payload or {})
        return found

    def ids(self) -> list[str]:
        """The ids of all pictures."""
        found: list[str] = []
        offset: Any = None
        with _explained(self.name):
            while True:
                records, offset = self._client.scroll(
                    self._collection, limit=1000, offset=offset, with_payload=["id"], with_vectors=False
                )
                found += [str((record.payload or {}).get("id")) for record in records]
                if offset is None:
                    return found

    def directions(self) -> None:
        """None: a server keeps no places."""

    def keep_directions(self, directions: np.ndarray) -> None:
        """None: a server keeps no places.

        Raises:
            KinsightError: always.
        """
        raise KinsightError(_NO_PLACES.format(self.name))

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""
        with _explained(self.name):
            return int(self._client.count(self._collection, count_filter=self._filter(where), exact=True).count)

    def find(self, query: np.ndarray, k: int, where: str | None, *, exact: bool) -> Ranked:
        """The k pictures that are nearest to a query (D,) by cosine, among those that meet a condition.

        Args:
            exact: compare it with every picture, instead of following the server's own graph.
        """
        from qdrant_client.http.models import SearchParams

        with _explained(self.name):
            found = self._client.query_points(
                self._collection,
                query.astype(float).tolist(),
                query_filter=self._filter(where),
                search_params=SearchParams(exact=exact),
                limit=k,
                with_payload=False,
            ).points
        numbers = np.array([int(point.id) for point in found], np.int64)
        scores = np.array([point.score for point in found], np.float32)
        order = np.lexsort((numbers, -scores))
        return Ranked(numbers[order], scores[order])

    def _filter(self, where: str | None) -> Filter | None:
        if where is None:
            return None
        known = {"id": "id", "path": "path"}
        return filter_of(parse_tree(where, known | {name: f"c{n}" for n, name in enumerate(self.about.columns)}))

    def _known(self, number: int, payload: Mapping[str, Any]) -> Known:
        try:
            columns = {name: cell(payload.get(f"c{n}")) for n, name in enumerate(self.about.columns)}
            listed = Listed(str(payload["id"]), str(payload["path"]), box_of(payload["box"]), columns)
            return Known(
                number, listed, FileState(int(payload["size"]), int(payload["modified"]), str(payload["digest"]))
            )
        except (KeyError, ValueError, TypeError):
            raise KinsightError(
                f"{self.name} holds a point that is no picture of an index; give a collection that kinsight index made"
            ) from None

    def _with_columns(self, names: Sequence[str]) -> list[str]:
        if set(names) - set(self.about.columns):
            self.refresh()
            self.describe(columns=list(dict.fromkeys([*self.about.columns, *names])))
        return self.about.columns

    def _read_about(self) -> About:
        with _explained(self.name):
            facts = (self._client.get_collection(self._collection).config.metadata or {}).get(_OURS)
        if not isinstance(facts, Mapping):
            raise KinsightError(f"{self.name} is no index of Kinsight; give a collection that kinsight index made")
        return about_of({str(name): str(value) for name, value in facts.items()}, self.name)


class QdrantSearched:
    """The pictures of a collection, as a search sees them."""

    def __init__(self, store: QdrantStore, *, exact: bool) -> None:
        self._store, self.name, self.exact = store, store.name, exact

    def __len__(self) -> int:
        return len(self._store)

    def refresh(self) -> None:
        """Take up what others have changed."""
        self._store.refresh()

    def find(self, query: np.ndarray, k: int, where: str | None = None) -> Ranked:
        """As `QdrantStore.find`."""
        return self._store.find(query, k, where, exact=self.exact)

    def count(self, where: str | None) -> int:
        """How many pictures meet a condition."""
        return self._store.count(where)

    def pictures(self, numbers: Collection[int]) -> dict[int, Known]:
        """The pictures of some numbers."""
        return self._store.pictures(numbers)


def is_server(address: object) -> TypeGuard[str]:
    """Whether something is the address of an index on a server."""
    return isinstance(address, str) and address.split("://")[0] in _SCHEMES and "://" in address


def connected(address: str) -> tuple[QdrantClient, str]:
    """A client of the server, which has not been asked anything yet, and the name of the collection.

    Raises:
        KinsightError: the address cannot be read, or qdrant-client is not installed.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host, port = None, 0
    collection = parts.path.strip("/") if host else ""
    if not host or not re.fullmatch(r"[\w.-]{1,200}", collection) or parts.query or parts.username or parts.fragment:
        raise KinsightError(
            f"{address!r} names no index on a server; {_EXAMPLE} (a key stands in the environment: QDRANT_API_KEY)"
        )
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise KinsightError(
            f"{address} needs qdrant-client, which is not installed; run pip install 'kinsight[qdrant]'"
        ) from None
    client = QdrantClient(
        url=f"{_SCHEMES[parts.scheme]}://{host}:{port}",
        api_key=os.environ.get("QDRANT_API_KEY"),
        timeout=60,
        check_compatibility=False,  # it would ask the server now
    )
    return client, collection


def server_has(address: str) -> bool:
    """Whether the collection of an address is there."""
    client, collection = connected(address)
    with _explained(address):
        return bool(client.collection_exists(collection))


def open_server(address: str) -> QdrantStore:
    """Open an index on a server.

    Raises:
        KinsightError: the server does not answer, or has no such index.
    """
    client, collection = connected(address)
    return QdrantStore(client, collection, address)


def create_server(address: str, about: About) -> QdrantStore:
    """Make an empty index on a server.

    Raises:
        KinsightError: the server does not answer or refuses, or places shall be kept.
    """
    if about.places is not None:
        raise KinsightError(_NO_PLACES.format(address))
    client, collection = connected(address)
    from qdrant_client.http.models import Datatype, Distance, VectorParams

    kind = Datatype.FLOAT16 if about.dtype == "float16" else Datatype.FLOAT32
    with _explained(address):
        client.create_collection(
            collection,
            vectors_config=VectorParams(size=about.dim, distance=Distance.COSINE, datatype=kind),
            metadata=_metadata(vars(about)),
        )
    return QdrantStore(client, collection, address)


def delete_server(address: str) -> None:
    """Remove an index from a server."""
    client, collection = connected(address)
    with _explained(address):
        client.delete_collection(collection)


def _number(id_: str) -> int:
    """The number of a picture's point: 63 bits of its id's digest."""
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:8], "big") >> 1


def _payload(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    listed, state = entry.listed, entry.state
    values = {f"c{number}": cell(listed.columns.get(name)) for number, name in enumerate(names)}
    fixed = {"id": listed.id, "path": listed.path, "box": box_text(listed.box), **state._asdict()}
    return fixed | values


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {_OURS: {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}}


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """What a server, or the way to it, says, in a sentence."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except ResponseHandlingException as problem:
        reason = " ".join(str(problem).split())[:200] or type(problem.source).__name__
        raise KinsightError(
            f"{name} does not answer ({reason}); look whether a Qdrant server runs there and the port is its own"
        ) from None
    except UnexpectedResponse as problem:
        if problem.status_code in (401, 403):
            raise KinsightError(f"{name} wants a key; set QDRANT_API_KEY in the environment") from None
        if problem.status_code == 404:
            raise KinsightError(
                f"{name} is not there; build it with kinsight index MODEL PICTURES --out {name}"
            ) from None
        reason = " ".join(problem.content.decode("utf-8", "replace").split())[:200]
        raise KinsightError(f"{name} refuses ({problem.status_code}: {reason}); look into the server's log") from None
    except ValueError as problem:  # the client's local mode
        if "not found" not in str(problem):
            raise
        raise KinsightError(f"{name} is not there; build it with kinsight index MODEL PICTURES --out {name}") from None
