"""The page of a division: what it concludes, and which layouts of the plane it may show."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.show.division.conclusion import conclusion
from kinsight.show.division.result import IN_ITS_SUBSPACE
from kinsight.show.plane import layouts
from kinsight.show.plane.layouts import chosen_planes, places
from show.made_division import made


def test_the_conclusion_says_what_became_of_subspaces_clusters_and_neighbours(tmp_path: Path) -> None:
    found = made(tmp_path)
    first, second, third = conclusion(found)
    assert first.startswith(
        "The training pictures fell into 4 clusters, and the subspaces that these trained differ in part"
    )
    assert "80.0 % of the pictures stayed" in second
    assert "3 pictures can form no pairs in their cluster" in second
    assert "its own subspace is better than the whole embedding" in third
    assert "0.700 times" in third
    assert "are almost the same" in conclusion(replace(found, overlap=np.ones((4, 4))))[0]
    assert "share almost nothing: the cosine of two masks is 0.000" in conclusion(replace(found, overlap=np.eye(4)))[0]
    worse = {**found.spaces, f"cluster 0{IN_ITS_SUBSPACE}": found.spaces["cluster 0"]}
    assert "is no better" in conclusion(replace(found, spaces=worse))[2]
    bare = conclusion(replace(found, spaces={}, divisions=[]))
    assert bare == [first]


def test_umap_is_taken_where_it_is_installed_and_missed_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "find_spec", lambda name: None)
    assert chosen_planes("auto") == ("t-SNE",)
    with pytest.raises(
        KinsightError, match=r"needs the package umap-learn.*pip install 'kinsight\[umap\]'.*or write t-sne"
    ):
        chosen_planes("umap")
    monkeypatch.setattr(layouts, "find_spec", lambda name: object())
    assert chosen_planes("auto") == ("t-SNE", "UMAP")
    assert chosen_planes("umap") == ("UMAP",)
    with pytest.raises(KinsightError, match="'pca' is not known; write auto, t-sne, umap, both"):
        chosen_planes("pca")


def test_umap_gets_directions_and_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Umap:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, vectors: np.ndarray) -> np.ndarray:
            return vectors[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    np.testing.assert_allclose(places(vectors, "UMAP"), vectors[:, :2])
    assert asked["metric"] == "cosine"
    assert asked["random_state"] == 0
