"""The overall maps of the same pictures by several methods, beside one another (Visual Explanation, Figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.drawing import drawing_of
from kinsight.explanation.measuring.partners import BEST, choose_partners
from kinsight.explanation.methods import METHODS, chosen_methods


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """Maps of N pictures by several methods.

    Attributes:
        maps: by method (N, h, w), signed.
        names: what the pictures are called, N.
        partners: what each was explained against, N names.
        similarities: (N,), the cosine of each to its partner.
        pictures: N pictures as the network saw them, (H, W, 3) uint8.
        centres: where the places of the maps stand in them.
        windows: (N, 4), left, top, right, bottom of what the network saw, in pixels of the upright pictures; NaN where not known.
    """

    maps: dict[str, np.ndarray]
    names: Sequence[str]
    partners: Sequence[str]
    similarities: np.ndarray
    pictures: Sequence[np.ndarray]
    centres: Centres
    windows: np.ndarray

    def drawn(self, drawing: str) -> MethodMaps:
        """The same maps drawn in a way out of `DRAWINGS`."""
        way, grid = drawing_of(drawing), next(iter(self.maps.values())).shape[1:]
        centres = way.centres(self.centres, (self.centres.rows.pixels, self.centres.columns.pixels), grid)
        maps = {name: np.maximum(values, 0) if way.clipped_before else values for name, values in self.maps.items()}
        return replace(self, maps=maps, centres=centres)

    @property
    def meanings(self) -> dict[str, str]:
        """What each method shows, in words."""
        return {name: METHODS[name].meaning for name in self.maps}


def method_maps(
    explainer: Explainer,
    pictures: Sequence[Picture],
    gallery: Sequence[Picture] | None = None,
    *,
    met: Sequence[np.ndarray] | None = None,
    methods: str | Sequence[str] = "all",
    class_weights: np.ndarray | None = None,
    batch_size: int = 16,
) -> MethodMaps:
    """Draw each picture's overall map against its best match by each method.

    Args:
        explainer: the model.
        pictures: N pictures.
        gallery: where the best matches are looked for; None: among the other pictures.
        met: for each picture the rows of the gallery that it may meet; None: all.
        methods: "all", or names out of `METHODS`.
        class_weights: (N, C), a linear classifier's row for each picture, which cam needs.
        batch_size: pictures at a time.

    Raises:
        KinsightError: nothing to match with, a picture that cannot be used, or a method that is not known or has no weights.
    """
    chosen = chosen_methods(methods, class_weights=class_weights is not None)
    everything = [*pictures, *(gallery or [])]
    if len(everything) < 2 or not len(pictures):
        raise KinsightError(
            f"{len(everything)} pictures were given; give two or more, or one and a gallery with others to match"
        )
    collection = Collection(explainer, everything, chosen, batch_size=batch_size)
    count = len(pictures)
    whole = collection.whole / np.linalg.norm(collection.whole, axis=1, keepdims=True)
    if gallery is None:
        partners = choose_partners(BEST, whole, np.arange(count))
    else:
        similarities = whole[:count] @ whole[count:].T  # (N, G)
        for row, rows in enumerate(met or []):
            similarities[row, np.setdiff1d(np.arange(len(gallery)), rows)] = -np.inf
        partners = count + similarities.argmax(1)
    return _drawn(collection, everything, np.stack([np.arange(count), partners], axis=1), class_weights)


def maps_of_pairs(
    explainer: Explainer,
    pictures: Sequence[Picture],
    pairs: np.ndarray,
    *,
    methods: str | Sequence[str] = "all",
    class_weights: np.ndarray | None = None,
    batch_size: int = 16,
) -> MethodMaps:
    """As `method_maps`, for pictures whose partners are known.

    Args:
        pairs: (M, 2), rows of each picture and its partner among `pictures`; only these pass the network.
        class_weights: (M, C), for cam.
    """
    chosen = chosen_methods(methods, class_weights=class_weights is not None)
    rows, again = np.unique(np.asarray(pairs), return_inverse=True)
    needed = [pictures[row] for row in rows.tolist()]
    collection = Collection(explainer, needed, chosen, batch_size=batch_size)
    return _drawn(collection, needed, again.reshape(-1, 2), class_weights)


def _drawn(
    collection: Collection, pictures: Sequence[Picture], pairs: np.ndarray, class_weights: np.ndarray | None
) -> MethodMaps:
    """The maps of pairs (M, 2) of pictures that have passed the network."""
    queries, partners = pairs.T
    prepared = [collection.explainer.prepare(pictures[row]) for row in queries.tolist()]
    names = _names(pictures)
    whole = collection.whole / np.linalg.norm(collection.whole, axis=1, keepdims=True)
    assert collection.centres is not None
    return MethodMaps(
        maps=collection.maps(pairs, class_weights=class_weights),
        names=[names[row] for row in queries.tolist()],
        partners=[names[row] for row in partners.tolist()],
        similarities=(whole[queries] * whole[partners]).sum(1),
        pictures=[
            each.picture if each.picture is not None else np.full((*each.size, 3), 128, np.uint8) for each in prepared
        ],
        centres=collection.centres,
        windows=collection.windows[queries],
    )


def _names(pictures: Sequence[Picture]) -> list[str]:
    """The names of the files, with their folders where names alone would be the same."""
    paths = [PurePath(picture) if isinstance(picture, str | PurePath) else None for picture in pictures]
    short = [f"picture {number + 1}" if path is None else path.name for number, path in enumerate(paths)]
    if len(set(short)) == len(short):
        return short
    return [name if path is None else "/".join(path.parts[-2:]) for name, path in zip(short, paths, strict=True)]
