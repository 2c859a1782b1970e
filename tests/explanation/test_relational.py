"""Pairs of a relational head, branch by branch: exact shares of the similarity, relations, and what its groups are together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinsight.explanation import Explainer, Pair
from kinsight.explanation.measuring.groups import read_groups
from kinsight.models import Embedder, ModelSettings, build_embedder

K = 4


def model_of(*, relations: bool = True) -> Embedder:
    head = {"name": "relational", "branches": K, "dim": 12, "relations": relations}
    model = build_embedder(ModelSettings(trunk="test_resnet", size=64, head=head), seed=1).double().eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in model.head.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def pictures(count: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(3, 64, 64, generator=generator, dtype=torch.float64) for _ in range(count)]


@pytest.mark.parametrize("relations", [True, False])
def test_a_pair_is_the_weighed_sum_of_its_branches(relations: bool) -> None:
    model = model_of(relations=relations)
    views = Explainer(model).views(pictures())
    pair = Pair(*views)
    assert len(pair.groups) == K
    assert not np.allclose(pair.group_weights, 1 / K, atol=0.01)
    assert max(each.completeness_error for each in (pair, *pair.groups)) < 1e-10
    weights = pair.group_weights
    assert weights @ [each.similarity for each in pair.groups] == pytest.approx(pair.similarity, abs=1e-10)
    assert pair.group_shares.sum() == pytest.approx(pair.similarity, abs=1e-10)
    maps = [each.overall("query") for each in pair.groups]
    np.testing.assert_allclose(np.tensordot(weights, maps, 1), pair.overall("query"), atol=1e-10)
    with torch.no_grad():
        whole = model(torch.stack(pictures())).whole.unflatten(1, (K, -1)).numpy()
    for number, each in enumerate(pair.groups):
        one, two = whole[:, number]
        assert each.similarity == pytest.approx(one @ two / np.linalg.norm(one) / np.linalg.norm(two), abs=1e-10)


def test_groups_of_length_one_count_alike() -> None:
    settings = ModelSettings(trunk="test_resnet", size=64, head={"name": "multi-linear", "groups": 3, "dim": 12})
    pair = Pair(*Explainer(build_embedder(settings, seed=1).double().eval()).views(pictures()))
    np.testing.assert_allclose(pair.group_weights, [1 / 3] * 3)
    assert pair.query.relations is None


def test_a_view_has_its_relations_and_groups_are_the_embedding_together() -> None:
    model, images = model_of(), pictures(3)
    with torch.no_grad():
        found = model(torch.stack(images))
    for view, relations in zip(Explainer(model).views(images), found.extras["relations"].numpy(), strict=True):
        np.testing.assert_allclose(view.relations, relations, atol=1e-6)
        assert view.group(1).relations is None
    read = read_groups(Explainer(model), images)
    np.testing.assert_allclose(read.whole, found.normalized.numpy(), atol=1e-6)
    np.testing.assert_allclose(read.relations, found.extras["relations"].numpy(), atol=1e-6)
    assert read.assigned is not None
    assert read.assigned.tolist() == found.extras["assignment"].tolist()
    assert read.kind == "contributions"
