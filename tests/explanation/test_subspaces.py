"""A pair in the subspaces of a divided model: exact maps, complete, and what each subspace carries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import kinsight
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.explanation.closed_form import has_closed_form
from kinsight.explanation.contributions import contributions
from kinsight.models import Embedder, ModelSettings, build_embedder

HEADS = {"plain": {"name": "linear", "dim": 16}, "groups": {"name": "attentive", "dim": 16, "groups": 2}}


def model_of(head: str, conquer: str = "sum") -> Embedder:
    choice = {"name": "subspaces", "head": HEADS[head], "subspaces": 4, "conquer": conquer}
    made = build_embedder(ModelSettings(trunk="test_resnet", size=64, head=choice), seed=1)
    masks = torch.rand(3, 16, generator=torch.Generator().manual_seed(2)) - 0.2
    made.head.write(masks.relu())
    return made.eval()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in range(2)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("conquer", ["sum", "unmasked"])
def test_every_subspace_is_complete_and_the_model_of_that_subspace(
    head: str, conquer: str, pictures: list[np.ndarray]
) -> None:
    model = model_of(head, conquer)
    pair = Explainer(model).pair(*pictures)
    assert pair.completeness_error < 1e-5
    assert len(pair.subspaces) == model.subspaces == 3
    for number, seen in enumerate(pair.subspaces):
        assert seen.completeness_error < 1e-5
        alone = model.subspace(number)
        one, other = alone.encode(pictures)
        assert seen.similarity == pytest.approx(float(one @ other), abs=1e-5)
        again = Explainer(alone).pair(*pictures)
        np.testing.assert_allclose(seen.tensor, again.tensor, atol=1e-5)
        assert seen.terms == pytest.approx(again.terms, abs=1e-5)


def test_what_subspaces_carry_adds_up_to_the_similarity(pictures: list[np.ndarray]) -> None:
    for head in HEADS:
        pair = Explainer(model_of(head)).pair(*pictures)
        assert pair.carried.sum() == pytest.approx(pair.similarity, abs=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_closed_form_is_the_general_way(head: str) -> None:
    model = model_of(head)
    maps = torch.rand(2, model.trunk.channels, 3, 2)
    for each in (model.head, model.head.alone(1).eval()):
        assert has_closed_form(each)
        fast, slow = (contributions(each, maps, fast=fast) for fast in (True, False))
        torch.testing.assert_close(fast.places, slow.places, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(fast.bias, slow.bias, atol=1e-5, rtol=1e-4)


def test_the_page_has_them_and_what_has_none_is_refused(pictures: list[np.ndarray], tmp_path: Any) -> None:
    page = tmp_path / "pair.html"
    kinsight.explain(model_of("plain"), *pictures, out=page, subspaces=True, stage=0)
    text = page.read_text()
    assert "The whole embedding and its subspaces" in text
    assert text.count('class="rank">subspace ') == 3
    plain = build_embedder(ModelSettings(trunk="test_resnet", size=64, head=HEADS["plain"]))
    with pytest.raises(KinsightError, match="trained with the method division"):
        kinsight.explain(plain, *pictures, out=page, subspaces=True, stage=0)
    for wrong in (3, -1, True):
        with pytest.raises(KinsightError, match="this model has the subspaces 0 to 2"):
            model_of("plain").subspace(wrong)
