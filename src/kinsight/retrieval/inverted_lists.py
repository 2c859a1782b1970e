"""Inverted lists of faiss: every vector in the list of the centre that is nearest to it, in eight bits a number.

A query is compared with the lists of the centres nearest to it, until so many of the pictures that may be found have been compared as
measuring found enough. So a condition that few pictures meet opens more lists, and costs no more comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np

from kinsight.errors import KinsightError
from kinsight.files import write_npz
from kinsight.reading import read_npz

_ROUNDS = 8  # of k-means; more move the centres of a million by little
_FOR_EACH = 40  # vectors that each centre is found from


class Among(NamedTuple):
    """Those vectors that may be found.

    Attributes:
        counts: (L,) how many of them each list holds.
        selector: faiss's; None: all.
    """

    counts: np.ndarray
    selector: faiss.IDSelector | None


@dataclass(frozen=True)
class Enough:
    """How many vectors are compared with a query, and what share of the ten nearest that finds.

    Attributes:
        compared: how many.
        recall: share of the ten nearest of sampled pictures that are found so.
    """

    compared: int
    recall: float


class InvertedLists:
    """Vectors (N, D) of length 1 in lists; a vector goes by its row.

    Args:
        index: faiss's, with all vectors in it.
        lists: (N,) in which list each vector is.
    """

    def __init__(self, index: faiss.IndexIVFScalarQuantizer, lists: np.ndarray) -> None:
        self._index, self._lists = index, lists
        # faiss.contrib.torch_utils, which other libraries import, makes tensors of arrays, and puts a search that knows no params in
        # the place of faiss's own.
        self._centres = np.asarray(index.quantizer.reconstruct_n(0, index.nlist))  # (L, D)
        self._search = getattr(index, "search_numpy", index.search)

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def dim(self) -> int:
        """D."""
        return int(self._index.d)

    def among(self, allowed: np.ndarray | None = None) -> Among:
        """Those of the vectors for which `allowed` (N,) holds; None: all."""
        lists = self._lists if allowed is None else self._lists[allowed]
        bits = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        return Among(np.bincount(lists, minlength=self._index.nlist), bits)

    def nearest(self, query: np.ndarray, k: int, among: Among, compared: int) -> np.ndarray:
        """About the k vectors that are nearest to a query (D,) of length 1, by their codes, best first. int64 (at most k,)

        Args:
            among: those that may be found.
            compared: with how many of them the query is compared, at least, where there are as many.
        """
        order = np.argsort(-(self._centres @ query), kind="stable")
        reached = np.cumsum(among.counts[order])
        if not reached[-1]:
            return np.empty(0, np.int64)
        probes = int(np.searchsorted(reached, min(max(compared, k), reached[-1]))) + 1
        how = faiss.SearchParametersIVF(nprobe=probes, sel=among.selector)
        _, found = self._search(query[None], k, params=how)
        return np.asarray(found[0][found[0] >= 0])

    def save(self, path: str | Path, *, token: str, numbers: np.ndarray, enough: Enough) -> None:
        """Write them, whole or not at all.

        Args:
            token: by what the index that they are of knows them.
            numbers: (N,) of the pictures.
            enough: how many vectors are to be compared.
        """
        codes = np.empty((len(self), self._index.code_size), np.uint8)
        for number in range(self._index.nlist):
            ids, some = _entries(self._index, number)
            codes[ids] = some
        arrays = {
            "token": np.array(token),
            "numbers": numbers.astype("<i8"),
            "lists": self._lists.astype("<i4"),
            "codes": codes,
            "centres": self._centres.astype("<f4"),
            "ranges": faiss.vector_to_array(self._index.sq.trained).astype("<f4"),
            "compared": np.array(enough.compared, "<i8"),
            "recall": np.array(enough.recall, "<f8"),
        }
        write_npz(path, arrays)


class SavedLists(NamedTuple):
    """What `InvertedLists.save` wrote."""

    lists: InvertedLists
    token: str
    numbers: np.ndarray
    enough: Enough


def make_lists(sample: np.ndarray, count: int) -> faiss.IndexIVFScalarQuantizer:
    """Lists without vectors, their centres and the range of every number found from a sample (n, D) of them.

    Args:
        count: of vectors to come.
    """
    index = _empty(sample.shape[1], lists_for(count))
    index.cp.niter, index.cp.min_points_per_centroid = _ROUNDS, 1
    index.train(sample)
    return index


def lists_for(count: int) -> int:
    """How many lists so many vectors are kept in: so that finding the lists takes about as long as comparing what is in them."""
    return max(1, min(round(2 * count**0.5), count // _FOR_EACH))


def sample_size(count: int) -> int:
    """From how many of so many vectors the centres are found."""
    return min(count, _FOR_EACH * lists_for(count))


def filled(index: faiss.IndexIVFScalarQuantizer) -> InvertedLists:
    """The lists, when all vectors were added one after the other."""
    lists = np.empty(index.ntotal, np.int32)
    for number in range(index.nlist):
        lists[_entries(index, number)[0]] = number
    return InvertedLists(index, lists)


def read_lists(path: str | Path, *, dim: int, otherwise: str) -> SavedLists:
    """Read lists that anybody may have written.

    Args:
        dim: D, of the index that they are of.
        otherwise: how to repair what cannot be read, the end of a sentence.

    Raises:
        KinsightError: they are missing or damaged.
    """
    arrays = read_npz(path, otherwise=otherwise)
    try:
        numbers, lists, codes = arrays["numbers"], arrays["lists"], arrays["codes"]
        centres, ranges = arrays["centres"], arrays["ranges"]
        count, among = len(numbers), len(centres)
        shapes = (
            (numbers, "<i8", (count,)), (lists, "<i4", (count,)), (codes, "u1", (count, dim)), (centres, "<f4", (among, dim)),
            (ranges, "<f4", (2 * dim,)),
        )  # fmt: skip
        if any(array.dtype != np.dtype(kind) or array.shape != shape for array, kind, shape in shapes):
            raise ValueError("sizes that do not fit")
        if not (among and np.isfinite(centres).all() and np.isfinite(ranges).all() and (np.diff(numbers) > 0).all()):
            raise ValueError("values that cannot be")
        if count and not (lists.min() >= 0 and lists.max() < among):
            raise ValueError("lists that are not there")
        token, compared, recall = str(arrays["token"]), int(arrays["compared"]), float(arrays["recall"])
    except (KeyError, ValueError, TypeError) as problem:
        raise KinsightError(f"{path} is damaged ({problem}); {otherwise}") from None
    index = _empty(dim, among)
    index.quantizer.add(centres)
    faiss.copy_array_to_vector(np.ascontiguousarray(ranges, np.float32), index.sq.trained)
    order = np.argsort(lists, kind="stable")
    ends = np.searchsorted(lists[order], np.arange(among + 1))
    for number, (start, end) in enumerate(pairwise(ends.tolist())):
        if end > start:
            ids = order[start:end].astype(np.int64)
            some = np.ascontiguousarray(codes[ids])
            index.invlists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(some))
    index.ntotal, index.is_trained = count, True
    return SavedLists(InvertedLists(index, lists), token, numbers, Enough(compared, recall))


def _empty(dim: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    centres = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        centres, dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.spherical = True
    return index


def _entries(index: faiss.IndexIVFScalarQuantizer, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) of the vectors in a list, and their codes (n, D)."""
    lists = index.invlists
    size = lists.list_size(number)
    if not size:
        return np.empty(0, np.int64), np.empty((0, index.code_size), np.uint8)
    ids = faiss.rev_swig_ptr(lists.get_ids(number), size).copy()
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * index.code_size).copy()
    return ids, codes.reshape(size, index.code_size)
