"""Who searches whom: labels, queries, gallery, and who never meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.exclusion import Exclusion, Groups, sizes

Column = np.ndarray | Sequence[object]


@dataclass(frozen=True)
class QueryGallery:
    """The items of an evaluation, checked and numbered.

    Attributes:
        labels: the class of each item as a number from 0 (N,), in the order of the sorted labels.
        queries: rows of the evaluated queries, those with a positive (Q,).
        gallery: rows of the gallery (G,).
        positives: for each evaluated query the number of gallery items that it should find (Q,).
        remaining: for each evaluated query the number of gallery items that it may meet (Q,).
        groups: group numbers (N,) whose members never meet, after the row itself.
        reasons: what each group stands for, in words.
        skipped: queries without a positive.
        symmetric: the queries, those skipped included, are the gallery.
    """

    labels: np.ndarray
    queries: np.ndarray
    gallery: np.ndarray
    positives: np.ndarray
    remaining: np.ndarray
    groups: list[np.ndarray]
    reasons: list[str]
    skipped: int
    symmetric: bool

    @property
    def involved(self) -> np.ndarray:
        """Rows of all evaluated queries and gallery items, ascending."""
        return np.union1d(self.queries, self.gallery)

    @property
    def classes(self) -> int:
        """Number of classes among them."""
        return len(np.unique(self.labels[self.involved]))

    def exclusion(self, queries: np.ndarray) -> Exclusion:
        """Who of the gallery these queries (rows) must not meet."""
        rows = np.arange(len(self.labels))
        return Exclusion(
            [(group[queries], group[self.gallery]) for group in [rows, *self.groups]], len(queries), len(self.gallery)
        )

    def label_groups(self) -> Groups:
        """The labels of queries and gallery."""
        return self.labels[self.queries], self.labels[self.gallery]


def read_query_gallery(
    count: int,
    labels: Column,
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
    cameras: Column | None = None,
    sequences: Column | None = None,
) -> QueryGallery:
    """Check and number the columns of `count` items; masks None stand for all.

    Raises:
        KinsightError: a length that differs, a missing label, no query, no gallery, or no query with a positive.
    """
    codes = _codes("labels", labels, count)
    if (codes < 0).any():
        raise KinsightError(f"labels row {int(np.argmin(codes))} is missing; give every item a label, numbers or text")
    query_rows = _rows("queries", queries, count)
    gallery_rows = _rows("gallery", gallery, count)
    searched = _searched(codes, query_rows, gallery_rows, cameras, sequences)
    exclusion = searched.exclusion(query_rows)
    positives = sizes(searched.label_groups()) - exclusion.counts(within=searched.label_groups())
    remaining = len(gallery_rows) - exclusion.counts()
    found = positives > 0
    if not found.any():
        raise KinsightError(
            f"none of the {len(query_rows)} queries has another picture of its label among the {len(gallery_rows)} gallery items it may "
            "meet; give classes of at least two pictures, or check the labels and the query and gallery flags"
        )
    return replace(
        searched,
        queries=query_rows[found],
        positives=positives[found],
        remaining=remaining[found],
        skipped=int((~found).sum()),
        symmetric=np.array_equal(query_rows, gallery_rows),
    )


def gallery_of(
    row: int,
    labels: Column,
    *,
    queries: np.ndarray | None = None,
    gallery: np.ndarray | None = None,
    cameras: Column | None = None,
    sequences: Column | None = None,
) -> np.ndarray:
    """The rows of the gallery that one item may meet when it searches, as in `read_query_gallery`, whether or not it is a query there.

    Raises:
        KinsightError: a length that differs, or no gallery.
    """
    count = len(labels)
    rows = np.array([row])
    searched = _searched(_codes("labels", labels, count), rows, _rows("gallery", gallery, count), cameras, sequences)
    shared = [(theirs == ours) & (theirs >= 0) for ours, theirs in searched.exclusion(rows).groups]
    return searched.gallery[~np.any(shared, axis=0)]


def _searched(
    codes: np.ndarray,
    queries: np.ndarray,
    gallery: np.ndarray,
    cameras: Column | None,
    sequences: Column | None,
) -> QueryGallery:
    """Who searches whom, before anything is counted."""
    groups, reasons = [], ["the item itself"]
    if cameras is not None:
        camera = _codes("cameras", cameras, len(codes))
        groups.append(np.where(camera < 0, -1, codes * (int(camera.max(initial=-1)) + 1) + camera))
        reasons.append("same label and same camera")
    if sequences is not None:
        groups.append(_codes("sequences", sequences, len(codes)))
        reasons.append("same sequence")
    return QueryGallery(codes, queries, gallery, np.empty(0), np.empty(0), groups, reasons, 0, False)


def _rows(name: str, mask: np.ndarray | None, count: int) -> np.ndarray:
    if mask is None:
        return np.arange(count)
    mask = np.asarray(mask)
    if mask.dtype.kind in "iu" and np.isin(mask, (0, 1)).all():
        mask = mask.astype(bool)
    if mask.dtype != bool or mask.shape != (count,):
        raise KinsightError(
            f"{name} is of type {mask.dtype} and shape {mask.shape}; give one true or false for each of the {count} vectors"
        )
    if not mask.any():
        raise KinsightError(f"{name} marks none of the {count} items; mark at least one")
    return np.nonzero(mask)[0]


def _codes(name: str, column: Column, count: int) -> np.ndarray:
    """Numbers from 0 in the order of the sorted values; -1 where a value is missing (None or NaN)."""
    values = np.asarray(column)
    if values.shape != (count,):
        raise KinsightError(f"{name} have the shape {values.shape}; give one for each of the {count} vectors")
    if values.dtype.kind in "biuSU":
        return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    missing = np.array([_is_missing(value) for value in values.tolist()], bool)
    out = np.full(count, -1, np.int64)
    present = values[~missing]
    try:
        out[~missing] = np.unique(present, return_inverse=True)[1].reshape(-1)
    except TypeError:
        raise KinsightError(
            f"{name} mix kinds of values that cannot be ordered; write all of them as numbers or all as text"
        ) from None
    return out


def _is_missing(value: object) -> bool:
    if value is None:
        return True
    itself = value == value  # NaN is not itself, and pandas' NA does not say
    return not isinstance(itself, bool) or not itself
