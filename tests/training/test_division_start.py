"""A divided run that keeps its start, and one whose best model is from before the last division."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinsight
from kinsight.errors import KinsightError
from kinsight.models import load_embedder
from kinsight.training import loop as loop_module
from kinsight.training import train
from kinsight.training.methods.division.state import DivisionState
from tiny_run import tiny


@pytest.fixture(scope="module")
def kept(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that found nothing better than its start."""
    scores = iter([0.9] + [0.1] * 9)
    out = tmp_path_factory.mktemp("kept") / "run"
    method = {"name": "division", "subspaces": 2, "every": 1}
    with pytest.MonkeyPatch.context() as patch:
        found: Any = lambda *_: {"precision_at_1": 0.5, "r_precision": 0.0, "map_at_r": next(scores)}  # noqa: E731
        patch.setattr(loop_module, "validate", found)
        train(tiny(pictures, {"method": method, "epochs": 2}), out, progress=False)
    return out


@pytest.mark.long
def test_a_run_that_keeps_its_start_says_that_it_has_one_subspace(kept: Path, pictures: Path, tmp_path: Path) -> None:
    pair = [pictures.parent / f"class_00/{number}.png" for number in (0, 1)]
    for ask in (
        lambda: kinsight.evaluate(kept, subspace=1),
        lambda: kinsight.explain(kept, *pair, subspaces=True, out=tmp_path / "pair.html"),
        lambda: kinsight.division(kept),
    ):
        with pytest.raises(KinsightError, match=r"one subspace, its whole embedding.*--which last"):
            ask()


def test_its_last_model_has_the_subspaces(kept: Path) -> None:
    assert load_embedder(kept / "model").subspaces == 1
    assert load_embedder(kept / "model-last").subspaces == 2


def test_an_earlier_model_is_shown_with_the_clusters_of_its_time() -> None:
    history = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 2, 3]], np.int32)
    now = DivisionState(np.array([3, 2, 1, 0]), history, 2)
    assert now.when(4) is now
    before = now.when(2)
    assert (before.clusters.tolist(), before.depth, before.count) == ([0, 0, 1, 1], 1, 2)
    assert [depth.tolist() for depth in before.depths()] == [[0, 0, 0, 0], [0, 0, 1, 1]]
    at_once = DivisionState(now.clusters, history[2:], 0)
    assert at_once.when(4) is at_once
