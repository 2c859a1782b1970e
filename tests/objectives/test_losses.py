"""Every named loss against its equation, and what every loss must bear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from embeddings import loss_of, total
from kinsight.objectives import BinomialDeviance, Objective, ObjectiveSettings
from kinsight.objectives.losses import LOSSES, collapsed_value
from kinsight.objectives.miners import MINERS
from reference import losses as reference

DIM, CLASSES = 6, 5


def objective(loss: str, miner: str = "none", *, dim: int = DIM, seed: int = 0, **options: object) -> Objective:
    return Objective(ObjectiveSettings({"name": loss, **options}, {"name": miner}), dim=dim, classes=CLASSES, seed=seed)


def batch(count: int = 15, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = torch.randn(CLASSES, DIM, generator=generator)
    return centres[labels] + torch.randn(count, DIM, generator=generator), labels


def rows(parameter: torch.nn.Parameter) -> np.ndarray:
    return parameter.detach().double().numpy()


EQUATIONS: dict[str, Callable[[np.ndarray, list[int], Objective], float]] = {
    "contrastive": lambda x, y, _: reference.contrastive(x, y),
    "triplet": lambda x, y, _: reference.triplet(x, y),
    "soft-triplet": lambda x, y, _: reference.soft_triplet(x, y),
    "weighted-soft-margin": lambda x, y, _: reference.weighted_soft_margin(x, y),
    "info-nce": lambda x, y, _: reference.info_nce(x, y),
    "n-pairs": lambda x, y, _: reference.n_pairs(x, y),
    "margin": lambda x, y, _: reference.margin(x, y, beta=[1.2] * CLASSES),
    "multi-similarity": lambda x, y, _: reference.multi_similarity(x, y),
    "proxy-nca": lambda x, y, o: reference.proxy_nca(x, y, rows(loss_of(o).proxies)),
    "proxy-anchor": lambda x, y, o: reference.proxy_anchor(x, y, rows(loss_of(o).proxies)),
    "norm-softmax": lambda x, y, o: reference.norm_softmax(x, y, rows(loss_of(o).W).T),
    "cosface": lambda x, y, o: reference.cosface(x, y, rows(loss_of(o).W).T),
    "arcface": lambda x, y, o: reference.arcface(x, y, rows(loss_of(o).W).T),
    "fastap": lambda x, y, _: reference.fastap(x, y),
    "snr": lambda x, y, _: reference.snr(x, y),
    "soft-triple": lambda x, y, o: reference.soft_triple(x, y, rows(loss_of(o).fc).T.reshape(CLASSES, 10, DIM)),
    "binomial": lambda x, y, _: reference.binomial(x, y),
}


def test_every_loss_has_an_equation_here() -> None:
    assert set(EQUATIONS) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
# 30: above 25 rows torch.cdist takes another path.
@pytest.mark.parametrize("count", [15, 30])
def test_equals_the_equation(name: str, count: int) -> None:
    x, y = batch(count)
    made = objective(name)
    expected = EQUATIONS[name](x.double().numpy(), y.tolist(), made)
    assert expected > 0.01
    assert float(total(made, x, y, seed=0).detach()) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(
    ("name", "options", "equation"),
    [
        ("contrastive", {"pos_margin": 0.3, "neg_margin": 0.7}, lambda x, y: reference.contrastive(x, y, 0.3, 0.7)),
        ("triplet", {"margin": 0.05}, lambda x, y: reference.triplet(x, y, 0.05)),
        ("margin", {"beta": 0.9, "margin": 0.1}, lambda x, y: reference.margin(x, y, [0.9] * CLASSES, 0.1)),
        (
            "multi-similarity",
            {"alpha": 3, "beta": 50, "base": 0.6},
            lambda x, y: reference.multi_similarity(x, y, 3, 50, 0.6),
        ),
        ("fastap", {"num_bins": 16}, lambda x, y: reference.fastap(x, y, 16)),
        ("binomial", {"self_pairs": True}, lambda x, y: reference.binomial(x, y, self_pairs=True)),
        ("binomial", {"beta0": 1, "beta1": 25}, lambda x, y: reference.binomial(x, y, beta1=25, beta0=1)),
    ],
)
def test_options_reach_the_equation(name: str, options: dict[str, float], equation: Callable[..., float]) -> None:
    x, y = batch()
    expected = equation(x.double().numpy(), y.tolist())
    value = float(total(objective(name, **options), x, y, seed=0).detach())
    assert value == pytest.approx(expected, rel=2e-5)
    assert value != pytest.approx(float(total(objective(name), x, y, seed=0).detach()), rel=1e-3)


def test_margin_with_one_learned_beta_per_class() -> None:
    x, y = batch()
    made = objective("margin", learn_beta=True, per_class=True)
    (beta,) = made.loss_parameters()
    assert beta.shape == (CLASSES,)
    with torch.no_grad():
        beta.copy_(torch.tensor([0.6, 0.8, 1.0, 1.2, 1.4]))
    value = total(made, x, y, seed=0)
    expected = reference.margin(x.double().numpy(), y.tolist(), beta.detach().tolist())
    assert float(value.detach()) == pytest.approx(expected, rel=2e-5)
    value.backward()
    assert (beta.grad != 0).all()
    assert objective("margin", learn_beta=True).loss_parameters()[0].shape == (1,)
    assert objective("margin").loss_parameters() == []


def test_margin_is_zero_exactly_when_all_pairs_are_on_their_sides() -> None:
    def loss_at(within: float, between: float) -> float:
        """Two pictures `within` degrees apart in each of two classes, the nearest negatives `between` degrees apart."""
        angles = torch.deg2rad(torch.tensor([0.0, within, within + between, 2 * within + between]))
        points = torch.stack([angles.cos(), angles.sin()], dim=1)
        return float(total(objective("margin", dim=2), points, torch.tensor([0, 0, 1, 1]), seed=0))

    # Chords: beta - margin = 1.0 is 60 degrees, beta + margin = 1.4 is 88.85 degrees.
    assert loss_at(59.9, 89.0) == 0
    assert loss_at(60.1, 89.0) > 0
    assert loss_at(59.9, 88.7) > 0


def test_binomial_values_of_the_paper() -> None:
    loss = BinomialDeviance()
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    sixty = torch.tensor([[1.0, 0.0], [0.5, 3**0.5 / 2]])
    different = torch.tensor([0, 1])
    assert float(loss(same, different)) == pytest.approx(25.0, abs=1e-4)
    assert float(loss(sixty, different)) == pytest.approx(0.6931, abs=1e-4)
    assert float(loss(torch.eye(2), different)) == pytest.approx(1.4e-11, rel=0.05)


def test_binomial_with_references_and_pairs_of_a_miner() -> None:
    x, y = batch()
    loss = BinomialDeviance()
    # A copy as the reference: self pairs are ordinary positives then.
    against = float(loss(x, y, ref_emb=x.clone(), ref_labels=y.clone()))
    assert against == pytest.approx(reference.binomial(x.double().numpy(), y.tolist(), self_pairs=True), rel=1e-5)
    pairs = (torch.tensor([0]), torch.tensor([5]), torch.tensor([0, 1]), torch.tensor([1, 2]))
    a, b, c = (reference.cosine(x[i].double().numpy(), x[j].double().numpy()) for i, j in [(0, 5), (0, 1), (1, 2)])
    expected = (
        np.log1p(np.exp(-2 * (a - 0.5))) + (np.log1p(np.exp(50 * (b - 0.5))) + np.log1p(np.exp(50 * (c - 0.5)))) / 2
    )
    assert float(loss(x, y, pairs)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_low_precision_in_float32_out(name: str) -> None:
    x, y = batch()
    made = objective(name)
    half = x.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = total(made, half, y, seed=0)
    value.backward()
    assert value.dtype == torch.float32
    assert half.grad.dtype == torch.bfloat16
    assert float(value.detach()) == float(total(made, x.bfloat16().float(), y, seed=0).detach())


BATCHES = {
    "usual": batch(30),
    "no positives": (batch(5)[0], torch.arange(5)),
    "one class": (batch(5)[0], torch.zeros(5, dtype=torch.long)),
    "one picture": (batch(1)[0], torch.zeros(1, dtype=torch.long)),
    "nothing": (torch.zeros(0, DIM), torch.zeros(0, dtype=torch.long)),
    "a picture three times": (torch.cat([batch(27)[0], batch(1)[0].repeat(3, 1)]), batch(30)[1]),
    "collapsed": (torch.ones(30, DIM) * torch.arange(1, DIM + 1), batch(30)[1]),
    "all zero": (torch.zeros(30, DIM), batch(30)[1]),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("name", LOSSES)
def test_finite_on_every_batch(name: str, kind: str) -> None:
    x, y = BATCHES[kind]
    for miner in [miner for miner, _, _ in MINERS.describe()]:
        made = objective(name, miner)
        x = x.detach().clone().requires_grad_()
        value = total(made, x, y, seed=0)
        value.backward()
        assert torch.isfinite(value), miner
        assert torch.isfinite(x.grad).all(), miner
        assert all(torch.isfinite(p.grad).all() for p in made.loss_parameters()), miner


@pytest.mark.parametrize("name", ["triplet", "soft-triplet", "margin", "n-pairs", "fastap"])
def test_exactly_zero_without_positives(name: str) -> None:
    x, y = BATCHES["no positives"]
    x = x.clone().requires_grad_()
    value = total(objective(name), x, y, seed=0)
    value.backward()
    assert float(value.detach()) == 0
    assert (x.grad == 0).all()


@pytest.mark.parametrize("name", ["contrastive", "multi-similarity", "snr", "binomial", "triplet", "margin"])
@pytest.mark.parametrize("kind", ["no positives", "one class"])
def test_exactly_zero_when_the_miner_finds_nothing(name: str, kind: str) -> None:
    x, y = BATCHES[kind]
    x = x.clone().requires_grad_()
    made = objective(name, "multi-similarity", **({"learn_beta": True} if name == "margin" else {}))
    value = total(made, x, y, seed=0)
    value.backward()
    assert float(value.detach()) == 0
    assert (x.grad == 0).all()
    assert all((parameter.grad == 0).all() for parameter in made.loss_parameters())


@pytest.mark.parametrize("name", ["proxy-nca", "proxy-anchor", "norm-softmax", "cosface", "arcface", "soft-triple"])
def test_proxies_follow_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    first = objective(name).loss_parameters()
    before = torch.get_rng_state()
    second = objective(name).loss_parameters()
    assert torch.equal(before, torch.get_rng_state())
    other = objective(name, seed=1).loss_parameters()
    for a, b, c in zip(first, second, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("name", ["contrastive", "snr", "triplet", "soft-triplet", "margin"])
def test_collapsed_value_is_the_loss_of_one_point(name: str) -> None:
    x, y = BATCHES["collapsed"]
    made = objective(name)
    assert made.collapsed_value == pytest.approx(float(total(made, x, y, seed=0)), rel=1e-3)
    assert collapsed_value({"name": "margin", "learn_beta": True}) is None
    assert collapsed_value({"name": "multi-similarity"}) is None


def test_descriptions_name_real_options() -> None:
    described = LOSSES.describe()
    assert [name for name, _, _ in described] == list(LOSSES)
    for name, needs, defaults in described:
        assert needs
        assert isinstance(objective(name, **defaults), Objective)
