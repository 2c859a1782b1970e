"""A model whose last map is too coarse to show parts is explained one stage lower, where that is exact."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import kinsight
from foreign.networks import lively
from kinsight.explanation import Explainer, Pair
from kinsight.explanation.stages import automatic_stage
from kinsight.models import Embedder, ModelSettings, build_embedder
from kinsight.show.pair.data import page_data


def model(trunk: str = "resnet10t", size: int = 64, **settings: object) -> Embedder:
    head = {"name": "linear", "dim": 8, "pooling": "avg"}
    return build_embedder(ModelSettings(trunk=trunk, head=head, size=size, resize=size, **settings)).eval()  # type: ignore[arg-type]


def pictures(size: int = 64) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def coarse() -> Embedder:
    return model()


@pytest.mark.long
def test_a_coarse_map_is_left_for_the_one_below(coarse: Embedder) -> None:
    assert coarse.trunk.map_size == (2, 2)
    found = kinsight.explain(coarse, *pictures())
    assert (found.stage, found.query.grid) == (1, (4, 4))
    assert found.completeness_error < 1e-5
    assert found.affinity_error < 1e-3
    assert page_data([found])["pairs"][0]["stage"] == 1


@pytest.mark.long
def test_a_stage_that_is_given_stays(coarse: Embedder) -> None:
    for stage, side in ((0, 2), (1, 4), (2, 8)):
        found = kinsight.explain(coarse, *pictures(), stage=stage)
        assert (found.stage, found.query.grid) == (stage, (side, side))
    named = kinsight.explain(coarse, *pictures(), layer="trunk.network.layer2")
    assert (named.stage, named.query.grid) == (0, (8, 8))


def test_what_has_been_measured_so_far_is_measured_on_the_last_map(coarse: Embedder) -> None:
    assert Explainer(coarse).stage == 0


def test_seven_by_seven_places_are_enough() -> None:
    fine = model(trunk_options={"stage": 2}, size=56)
    assert fine.trunk.map_size == (7, 7)
    assert automatic_stage(fine, tolerance=0.01) == 0


@pytest.mark.long
def test_a_stage_below_that_is_not_exact_is_not_taken() -> None:
    # Its smooth gates are not declared, so that one stage lower its head is not affine; as standard ones they are held.
    smooth = model(trunk="mobilenetv3_small_050")
    lively(smooth)
    assert smooth.trunk.map_size == (2, 2)
    assert automatic_stage(smooth, tolerance=0.01) == 0
    assert automatic_stage(smooth, gates="standard", tolerance=0.01) == 1


def test_models_that_are_not_ours_are_opened_where_they_say() -> None:
    trunk, head = nn.Conv2d(3, 4, 8, 8), nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
    assert automatic_stage((trunk, head), tolerance=0.01) == 0


def test_a_group_keeps_its_stage(coarse: Embedder) -> None:
    query, other = Explainer(coarse, stage="auto").views(pictures())
    assert Pair(query, other).groups[0].stage == 1
