"""Non-finite numbers and collapse are named when they occur."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from embeddings import loss_of, total
from kinsight.errors import KinsightError
from kinsight.objectives import CollapseWatch, Objective, ObjectiveSettings, check_finite

NAMES = [f"birds/{n}.jpg" for n in range(6)]


def said(watch: CollapseWatch, steps: int, loss: float, embeddings: torch.Tensor) -> list[str]:
    return [word for _ in range(steps) if (word := watch.look(torch.tensor(loss), embeddings))]


def test_finite_numbers_pass() -> None:
    check_finite(torch.tensor(1.0), torch.randn(6, 4), 3, NAMES, "margin")


def test_embeddings_that_are_not_finite() -> None:
    x = torch.randn(6, 4)
    x[[1, 4], 2] = torch.inf
    with pytest.raises(KinsightError) as caught:
        check_finite(torch.tensor(torch.nan), x, 17, NAMES, "margin")
    for word in ["step 17", "2 of 6", "birds/1.jpg, birds/4.jpg", "margin", "learning rate", "fp32"]:
        assert word in str(caught.value)
    assert "birds/0.jpg" not in str(caught.value)


def test_only_the_loss_is_not_finite() -> None:
    with pytest.raises(KinsightError) as caught:
        check_finite(torch.tensor(torch.inf), torch.randn(6, 4), 17, NAMES, "arcface")
    for word in ["step 17", "arcface is inf", "every embedding of the batch is finite", "birds/0.jpg", "and 3 more"]:
        assert word in str(caught.value)


def test_a_nan_that_the_loss_alone_would_drop_reaches_the_loss() -> None:
    x = F.normalize(torch.randn(6, 4)) / 4  # nearer to each other than the margin: some negatives cost something
    x[0] = torch.nan
    y = torch.tensor([0, 0, 1, 1, 2, 2])
    made = Objective(ObjectiveSettings({"name": "contrastive"}), dim=4, classes=3)
    assert torch.isfinite(loss_of(made)(x, y))
    assert torch.isnan(total(made, x, y, seed=0))
    with pytest.raises(KinsightError, match="1 of 6"):
        check_finite(loss_of(made)(x, y), x, 0, NAMES, "contrastive")


@pytest.mark.parametrize(
    "collapsed",
    [torch.ones(32, 8) + 0.03 * torch.randn(32, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(32, 8)],
)
def test_collapse_is_said_once(collapsed: torch.Tensor) -> None:
    watch = CollapseWatch(every=2, patience=3)
    assert said(watch, 5, 0.4, F.normalize(collapsed)) == []
    (sentence,) = said(watch, 20, 0.4, F.normalize(collapsed))
    assert "mean cosine" in sentence
    assert "learning rate" in sentence


def test_mean_cosine_of_the_sentence_is_exact() -> None:
    x = F.normalize(torch.ones(16, 8) + 0.05 * torch.randn(16, 8, generator=torch.Generator().manual_seed(0)))
    mean = ((x @ x.T).sum() - 16) / (16 * 15)
    (sentence,) = said(CollapseWatch(every=1, patience=1), 1, 0.4, x)
    assert f"{mean:.3f}" in sentence


def test_spread_embeddings_are_no_collapse() -> None:
    assert said(CollapseWatch(0.2, every=1, patience=1), 50, 0.4, F.normalize(torch.randn(32, 8))) == []
    assert said(CollapseWatch(0.2, every=1, patience=1), 50, 0.2, torch.ones(1, 8)) == []


def test_a_loss_stuck_at_its_collapsed_value() -> None:
    x = F.normalize(torch.randn(32, 8, generator=torch.Generator().manual_seed(0)))
    (sentence,) = said(CollapseWatch(0.2, every=1, patience=4), 10, 0.2005, x)
    assert "0.2" in sentence
    assert said(CollapseWatch(None, every=1, patience=4), 10, 0.2, x) == []


def test_looks_must_be_in_a_row() -> None:
    watch = CollapseWatch(every=1, patience=3)
    narrow, wide = torch.ones(8, 4), F.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    for _ in range(4):
        assert said(watch, 2, 0.4, narrow) == []
        assert said(watch, 1, 0.4, wide) == []
    assert len(said(watch, 3, 0.4, narrow)) == 1


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_what_was_counted_before_a_kill_counts_after_it(cut: int) -> None:
    narrow = torch.ones(8, 4)
    whole, before, after = (CollapseWatch(every=2, patience=3) for _ in range(3))
    first = said(before, cut, 0.4, narrow)
    after.load_state_dict({name: value.clone() for name, value in before.state_dict().items()})
    assert first + said(after, 20 - cut, 0.4, narrow) == said(whole, 20, 0.4, narrow)
    assert torch.equal(after.counts, whole.counts)
