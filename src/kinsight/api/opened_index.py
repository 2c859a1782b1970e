"""An index of pictures, opened: searched, brought up to date, changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kinsight.api.columns import columns_of
from kinsight.api.embed import Pictures, pictures_table
from kinsight.api.indexed_model import GivenModel, IndexedModel, indexed_model
from kinsight.api.numbers import require_whole
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, View
from kinsight.explanation.explainer import Picture
from kinsight.explanation.part_query import Bias
from kinsight.models import Embedder
from kinsight.retrieval import building
from kinsight.retrieval.approximate import Approximate, build_lists, open_lists
from kinsight.retrieval.asking import ask
from kinsight.retrieval.building import Built
from kinsight.retrieval.embedding import Embeds
from kinsight.retrieval.foreign import ForeignModel
from kinsight.retrieval.inverted_lists import Enough
from kinsight.retrieval.matrix import Matrix
from kinsight.retrieval.opening import open_store
from kinsight.retrieval.places import PlaceMatrix
from kinsight.retrieval.qdrant_store import QdrantSearched, QdrantStore, is_server, open_server
from kinsight.retrieval.regions_given import GivenRegion, regions_of
from kinsight.retrieval.searched import Searched
from kinsight.retrieval.store import Store
from kinsight.runs.calibration import Calibration, read_calibration
from kinsight.runs.folder import RunFolder
from kinsight.show.hits.shown import ShownHits

if TYPE_CHECKING:
    from typing_extensions import Self

Given = GivenRegion | Sequence[GivenRegion] | None


class Index:
    """Pictures with their embeddings, to be searched. Made by `kinsight.index` or `kinsight.open_index`; also as `with` block.

    Attributes:
        store: the file, what stands in memory, or a collection of a server.
        built: what the last update did, where there was one.
        removed: how many pictures the last `remove` removed.
        enough: what the last `build_approximate` found, where there was one.
    """

    def __init__(self, store: Store | QdrantStore, model: GivenModel | None = None) -> None:
        self.store = store
        self.built: Built | None = None
        self.removed = 0
        self.enough: Enough | None = None
        self._given = model
        self._askers: dict[str, Explainer] = {}
        self._lists: Approximate | None = None

    def __len__(self) -> int:
        return len(self.store)

    def __repr__(self) -> str:
        return f"Index({self.store.name!r}, {len(self):,} pictures of {self.store.about.dim} numbers)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    @property
    def columns(self) -> list[str]:
        """The columns that conditions may name, beside `id` and `path`."""
        return list(self.store.about.columns)

    @cached_property
    def known(self) -> IndexedModel:
        """The model that the index is bound to: the one that was given, else the one from the place that the index names.

        Raises:
            KinsightError: it is not there, or another one.
        """
        bound = self.store.about.model
        given = self._where() if self._given is None or isinstance(self._given, str | Path) else self._given
        known = indexed_model(given, bound.get("stream"))
        digest = known.whole.digest()
        if digest != bound.get("digest"):
            name = str(given) if isinstance(given, str | Path) else "the model that was given"
            raise KinsightError(
                f"{self.store.name} holds embeddings of the model {str(bound.get('digest'))[:12]} and {name} is {digest[:12]} "
                "(other weights, architecture or preprocessing); give the model that it was built with, or build another index"
            )
        return known

    @cached_property
    def model(self) -> Embedder | ForeignModel:
        """What embeds its pictures, of a model of two streams the one of their view.

        Raises:
            KinsightError: see `known`.
        """
        return self.known.embedder

    def search(
        self,
        picture: Picture | View,
        *,
        region: Given = None,
        without: Given = None,
        without_weight: float = 1.0,
        where: str | None = None,
        top: int = 20,
        bias: Bias = "shared",
        answers: bool = True,
        by: Literal["picture", "places"] = "picture",
        rerank: int | None = None,
        approximate: bool = False,
        stream: str | None = None,
    ) -> ShownHits:
        """The pictures nearest to a picture or to parts of it, and in each the place that answers.

        Args:
            picture: a path, PIL picture, uint8 array, or its view by this index's `explainer`; its own file is not found.
            region: what of it counts: a box (left, top, right, bottom in pixels of the upright picture), a mask (H, W) of values from 0 to
                1, the file of a painted mask, a `Region` with a weight, or a list of these; None: all of it.
            without: what must not count, in the same ways; it is subtracted.
            without_weight: how much of it.
            where: a condition on columns, such as `camera != 3 and label in ('wren', 'robin')`.
            top: how many.
            bias: whether a region takes its share of what the model adds to every embedding, or "none" of it, as in the paper.
            answers: look for the places that answer; it takes as long as embedding the hits.
            by: what is compared: "picture", whole embeddings; "places", every place of every picture, the best of which counts (of an
                index that keeps them).
            rerank: by "picture": so many of the first hits are ordered anew by the cosine of their best places; it takes as long as
                embedding them, and needs no places in the index.
            approximate: compare only the pictures that lists say may be near (of an index for which they were built): sooner, and nearly
                always the same hits, with the same scores.
            stream: of a model of two streams: of which view the picture is, where not of that of the index's pictures.

        Raises:
            KinsightError: the picture, a region or the condition cannot be used, or the model is not the index's.
        """
        require_whole(1, top=top, rerank=rerank)
        if by not in ("picture", "places"):
            raise KinsightError(f"by {by!r} is not known; write picture or places")
        if approximate and by == "places":
            raise KinsightError(
                "approximate was given with by places, which compares every place; leave one of the two out"
            )
        regions = regions_of(region, without, without_weight=without_weight)
        if stream is not None and not isinstance(picture, View):
            (picture,) = self._asking(stream).views([picture])
        found = ask(
            self._places if by == "places" else self._searched(approximate),
            self.explainer,
            picture,
            regions,
            where=where,
            top=top,
            bias=bias,
            answers=answers,
            rerank=rerank,
        )
        return ShownHits(**vars(found))

    def update(
        self,
        pictures: Pictures,
        *,
        prune: bool = False,
        batch_size: int = 64,
        workers: int = 2,
        on_unreadable: Literal["refuse", "skip"] = "refuse",
        progress: bool = False,
        root: str | Path | None = None,
        path_column: str | None = None,
        label_column: str | None = None,
    ) -> Built:
        """Add what is new of some pictures, embed anew what has changed, leave the rest as it is.

        Args: as `kinsight.index`.

        Raises:
            KinsightError: the pictures cannot be read, or the index was not opened to be written.
        """
        require_whole(1, batch_size=batch_size)
        require_whole(0, workers=workers)
        columns = columns_of(pictures, root=root, path_column=path_column, label_column=label_column, what="pictures")
        return self.update_from(
            pictures_table(pictures, columns),
            prune=prune,
            batch_size=batch_size,
            workers=workers,
            on_unreadable=on_unreadable,
            progress=progress,
        )

    def update_from(self, table: pd.DataFrame, **options: Any) -> Built:
        """As `update`, from a table that was read already; the options are those of `kinsight.retrieval.building.update`."""
        self.built = building.update(self.store, self._embeds(), table, **options)
        return self.built

    def remove(self, ids: str | Collection[str]) -> int:
        """Remove pictures by id; how many of them were there."""
        self.removed = self.store.remove([ids] if isinstance(ids, str) else ids)
        return self.removed

    def build_approximate(self) -> Enough:
        """Build the lists for approximate search anew: beside the file, or for an index in memory as long as it lives.

        Returns:
            How many pictures are compared with a query from now on, and what share of the ten nearest that finds.

        Raises:
            KinsightError: the index holds no pictures, or was not opened to be written.
        """
        self._lists = build_lists(self._file("lists for approximate search", "a server has a graph of its own"))
        self.enough = self._lists.enough
        return self.enough

    def _searched(self, approximate: bool) -> Searched:
        if isinstance(self.store, QdrantStore):
            return QdrantSearched(self.store, exact=not approximate)
        if not approximate:
            return self._matrix
        if self._lists is None:
            self._lists = open_lists(self.store)
        return self._lists

    def _file(self, what: str, instead: str) -> Store:
        """The index, if it is no server.

        Raises:
            KinsightError: it is one, which keeps no such thing.
        """
        if isinstance(self.store, QdrantStore):
            raise KinsightError(f"{self.store.name} keeps no {what}: {instead}; leave that out, or give an index file")
        return self.store

    def _where(self) -> Path:
        """The folder of the model."""
        if isinstance(self._given, str | Path):
            return Path(self._given)
        bound = self.store.about.model
        places = [str(bound[name]) for name in ("path", "beside") if bound.get(name)]
        if len(places) > 1:  # where the index lies, in case both were moved together
            places[1] = os.path.join(os.path.dirname(self.store.name), places[1])
        for place in places:
            if os.path.isdir(place):
                return Path(place)
        raise KinsightError(
            f"the model of {self.store.name} is no longer at {places[0]}; say where it is with model (--model on the command line)"
            if places
            else f"{self.store.name} was built with a model that is no folder; give the model itself"
        )

    def _embeds(self) -> Embeds:
        if self.store.about.places is None:
            return Embeds(self.model)
        return Embeds(self.model, self.explainer, directions=self.store.directions(), keep=self.store.keep_directions)

    @cached_property
    def _places(self) -> PlaceMatrix:
        return PlaceMatrix(self._file("places", "these stand in files alone"))

    @cached_property
    def _matrix(self) -> Matrix:
        return Matrix(self._file("vectors that are read", "it searches them itself"))

    def _asking(self, stream: str) -> Explainer:
        if stream not in self._askers:
            self._askers[stream] = self.known.explainer("auto", stream=stream)
        return self._askers[stream]

    @cached_property
    def explainer(self) -> Explainer:
        """What shows which places answer; another one of the same model may be set."""
        places = self.store.about.places
        return self.known.explainer("auto" if places is None else places["stage"])

    @cached_property
    def calibration(self) -> Calibration | None:
        """What the model's cosine means, where `kinsight calibrate` has measured it and the model lies in a folder.

        Raises:
            KinsightError: what is kept there is damaged, or of another model.
        """
        if self._given is not None and not isinstance(self._given, str | Path):
            return None
        run = RunFolder(self._where())
        return read_calibration(run.trained_model() if run.exists else run.path, self.model.digest())


def open_index(path: str | Path, *, model: GivenModel | None = None, writable: bool = False) -> Index:
    """Open an index file.

    Args:
        path: what `kinsight.index` wrote; one of a stranger runs no code. Or the address of one on a server, qdrant://HOST:PORT/NAME.
        model: the model, or its folder, where it is not at the place that the index names; of a foreign one its `Explainer`.
        writable: open it to be changed.

    Raises:
        KinsightError: it is no index.
    """
    if is_server(path):
        return Index(open_server(path), model)
    return Index(open_store(path, writable=writable), model)
