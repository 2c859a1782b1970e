"""Choices in the settings, and what the objective refuses."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, regularizers

from embeddings import loss_of, miner_of, total
from kinsight.errors import KinsightError
from kinsight.objectives import Objective, ObjectiveSettings
from kinsight.registry import own_code


def make(loss: object, miner: object = None) -> Objective:
    return Objective(ObjectiveSettings(loss, miner or {"name": "none"}), dim=4, classes=3)


def test_defaults() -> None:
    made = Objective(ObjectiveSettings(), dim=4, classes=3)
    assert made.name == "margin"
    assert (loss_of(made).margin, loss_of(made).beta.tolist()) == (0.2, pytest.approx([1.2]))


def test_class_paths() -> None:
    made = make(
        {"name": "pytorch_metric_learning.losses.CircleLoss", "m": 0.3},
        {"name": "pytorch_metric_learning.miners.PairMarginMiner", "pos_margin": 0.1},
    )
    assert isinstance(loss_of(made), losses.CircleLoss)
    assert loss_of(made).m == 0.3
    assert isinstance(miner_of(made), miners.PairMarginMiner)
    assert miner_of(made).pos_margin == 0.1


def test_a_class_path_is_given_classes_and_dimension() -> None:
    made = make({"name": "pytorch_metric_learning.losses.SubCenterArcFaceLoss", "sub_centers": 2})
    assert made.loss_parameters()[0].shape == (4, 6)
    x = torch.randn(6, 4, requires_grad=True)
    total(made, x, torch.tensor([0, 0, 1, 1, 2, 2]), seed=0).backward()
    assert torch.isfinite(x.grad).all()


def test_an_option_may_be_a_class_path() -> None:
    cosine = {"name": "pytorch_metric_learning.distances.CosineSimilarity"}
    made = make({"name": "contrastive", "pos_margin": 1, "neg_margin": 0.5, "distance": cosine})
    assert isinstance(loss_of(made).distance, distances.CosineSimilarity)
    value = total(made, torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]), torch.tensor([0, 0]), seed=0)
    assert float(value) == 1.0
    centers = {"name": "pytorch_metric_learning.regularizers.SparseCentersRegularizer", "centers_per_class": 10}
    regular = make({"name": "soft-triple", "weight_regularizer": centers})
    assert isinstance(loss_of(regular).weight_regularizer, regularizers.SparseCentersRegularizer)
    assert loss_of(regular).weight_regularizer.same_class_mask.shape == (30, 30)


@pytest.mark.parametrize(
    ("loss", "miner", "words"),
    [
        ({"name": "tripplet"}, None, ["'tripplet'", "triplet", "class path"]),
        ({"name": "margin"}, {"name": "distance_weighted"}, ["known miner", "distance-weighted"]),
        ({"name": "margin", "bata": 1.0}, None, ["'bata'", "beta", "learn_beta", "per_class"]),
        ({"name": "proxy-anchor", "m": 1}, None, ["'m'", "alpha", "margin"]),
        ({"name": "margin"}, {"name": "none", "epsilon": 1}, ["no options"]),
        ({"name": "proxy-nca", "softmax_scale": "1e1"}, None, ["softmax_scale", "'1e1'", "a number"]),
        ({"name": "margin", "learn_beta": 1}, None, ["learn_beta", "true or false"]),
        ({"name": "margin", "margin": True}, None, ["margin", "a number"]),
        ({"loss": "margin"}, None, ["'name'", "mapping"]),
        ("margin", None, ["'margin'", "mapping"]),
        ({"name": "no_such_package.Loss"}, None, ["could not be imported", "no_such_package"]),
        ({"name": "pytorch_metric_learning.losses.NoLoss"}, None, ["could not be imported"]),
        ({"name": "os.path.join"}, None, ["not a class but a function", "torch.nn.Module"]),
        ({"name": "pytorch_metric_learning.losses.GenericPairLoss"}, None, ["mat_based_loss", "no default"]),
        ({"name": "fastap", "distance": {"name": "pytorch_metric_learning.distances.SNRDistance"}}, None, ["refuses"]),
    ],
)
def test_refusals_teach(loss: object, miner: object, words: list[str]) -> None:
    with own_code(), pytest.raises(KinsightError) as caught:
        make(loss, miner)
    for word in words:
        assert word in str(caught.value)


def test_options_offered_are_not_those_that_kinsight_fills_in() -> None:
    with pytest.raises(KinsightError) as caught:
        make({"name": "cosface", "scal": 3})
    assert "scale" in str(caught.value)
    assert "num_classes" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "labels", "words"),
    [
        ((3, 5), [0, 1, 2], ["(3, 5)", "(N, 4)"]),
        ((3, 4), [0, 1], ["(3, 4)", "(2,)"]),
        ((3, 4, 1), [0, 1, 2], ["(3, 4, 1)"]),
        ((3, 4), [0, 1, 3], ["from 0 to 3", "3 classes"]),
        ((3, 4), [-1, 1, 2], ["from -1 to 2"]),
    ],
)
def test_batches_that_do_not_fit(shape: tuple[int, ...], labels: list[int], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        total(make({"name": "triplet"}), torch.randn(shape), torch.tensor(labels), seed=0)
    for word in words:
        assert word in str(caught.value)


def test_a_loss_that_is_not_one_number() -> None:
    raw = {"name": "pytorch_metric_learning.reducers.DoNothingReducer"}
    with pytest.raises(KinsightError, match="one number"):
        total(make({"name": "triplet", "reducer": raw}), torch.randn(4, 4), torch.tensor([0, 0, 1, 1]), seed=0)
