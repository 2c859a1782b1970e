"""Within-class whitening against its definition, and what it does to directions in which a class is wide."""

from __future__ import annotations

import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.models.heads import LinearHead
from kinsight.models.whitening import SHRINKAGE, within_class_whitening


def test_it_is_the_shrunk_inverse_root_of_the_covariance_within_classes() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 9 + [1] * 3 + [2] * 5)
    vectors = torch.randn(17, 6, generator=random) + 3 * torch.randn(3, 6, generator=random)[labels]
    weight, bias = within_class_whitening(vectors, labels)
    groups = [vectors[labels == label].double() for label in range(3)]
    covariance = torch.stack([torch.cov(group.T, correction=0) for group in groups]).mean(0)
    floor = SHRINKAGE * covariance.trace()
    values, directions = torch.linalg.eigh(covariance + floor * torch.eye(6))
    expected = directions @ (floor / values).sqrt().diag() @ directions.T
    torch.testing.assert_close(weight, expected.float(), atol=1e-5, rtol=1e-4)
    centre = torch.stack([group.mean(0) for group in groups]).mean(0).float()
    torch.testing.assert_close(weight @ centre + bias, torch.zeros(6), atol=1e-5, rtol=0)


def test_one_picture_a_class_changes_nothing_but_the_mean() -> None:
    vectors = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    weight, bias = within_class_whitening(vectors, torch.arange(4))
    torch.testing.assert_close(weight, torch.eye(5))
    torch.testing.assert_close(bias, -vectors.mean(0))


def test_a_head_hands_on_what_is_pooled_until_it_is_fitted() -> None:
    head = LinearHead(6, (2, 2), dim=None, init="within-class")
    feature_map = torch.randn(3, 6, 2, 2)
    torch.testing.assert_close(head(feature_map).whole, feature_map.mean((2, 3)))
    with pytest.raises(KinsightError, match="init within-class goes with dim null"):
        LinearHead(6, (2, 2), dim=4, init="within-class")
