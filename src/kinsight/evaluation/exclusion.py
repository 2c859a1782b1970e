"""Pairs of a query and a gallery item that must never meet: the item itself, the same camera, the same sequence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import KinsightError

Groups = tuple[np.ndarray, np.ndarray]


class Exclusion:
    """Groups of items; a query and a gallery item that share a group are never compared.

    Args:
        groups: pairs (of the queries (Q,), of the gallery (G,)) of whole numbers; equal numbers share a group, a negative
            number stands for no group. "The item itself" is one such pair: the row number of each item.
        queries: Q.
        gallery: G.

    Raises:
        KinsightError: a group does not have one number for each query or gallery item.
    """

    def __init__(self, groups: Sequence[Groups], queries: int, gallery: int) -> None:
        self.queries, self.gallery = queries, gallery
        self.groups = [(np.asarray(ours, np.int64), np.asarray(theirs, np.int64)) for ours, theirs in groups]
        for ours, theirs in self.groups:
            if ours.shape != (queries,) or theirs.shape != (gallery,):
                raise KinsightError(
                    f"an exclusion has shapes {ours.shape} and {theirs.shape} for {queries} queries and {gallery} gallery "
                    "items; give one group number for each of them"
                )

    def counts(self, within: Groups | None = None) -> np.ndarray:
        """For each query the number of gallery items that it must not meet, of `within` only those that share its group. (Q,)"""
        # Inclusion and exclusion: an item that is excluded for two reasons is excluded once.
        total = np.zeros(self.queries, np.int64)
        for size in range(1, len(self.groups) + 1):
            for chosen in combinations(self.groups, size):
                shared = _intersection([*chosen, within] if within is not None else list(chosen))
                total += (-1) ** (size + 1) * sizes(shared)
        return total

    def on(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        """The groups as tensors, ready for `forbidden`."""
        return [
            (torch.from_numpy(ours).to(device), torch.from_numpy(theirs).to(device)) for ours, theirs in self.groups
        ]


def forbidden(groups: list[tuple[Tensor, Tensor]], rows: Tensor, columns: Tensor) -> Tensor:
    """Which pairs (row, column) must not meet; the two index tensors broadcast."""
    out = torch.zeros(np.broadcast_shapes(rows.shape, columns.shape), dtype=torch.bool, device=rows.device)
    for ours, theirs in groups:
        group = ours[rows]
        out |= (group == theirs[columns]) & (group >= 0)
    return out


def sizes(groups: Groups) -> np.ndarray:
    """For each query the number of gallery items of its group. (Q,)"""
    ours, theirs = _compact([groups])[0]
    members = np.bincount(theirs[theirs >= 0], minlength=int(ours.max(initial=-1)) + 1)
    return np.where(ours >= 0, members[np.maximum(ours, 0)] if len(members) else 0, 0)


def _intersection(groups: list[Groups]) -> Groups:
    (ours, theirs), *others = _compact(groups)
    for more, most in others:
        width = int(max(more.max(initial=-1), most.max(initial=-1))) + 1
        ours = np.where((ours < 0) | (more < 0), -1, ours * width + more)
        theirs = np.where((theirs < 0) | (most < 0), -1, theirs * width + most)
        ours, theirs = _compact([(ours, theirs)])[0]
    return ours, theirs


def _compact(groups: list[Groups]) -> list[Groups]:
    """Numbers from 0 without gaps, so that products of two of them stay small."""
    out = []
    for ours, theirs in groups:
        numbers, inverse = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
        inverse = inverse.reshape(-1) - int(np.searchsorted(numbers, 0))
        inverse = np.maximum(inverse, -1)
        out.append((inverse[: len(ours)], inverse[len(ours) :]))
    return out
