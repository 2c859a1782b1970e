"""Distance-weighted sampling, and mining through the objective."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from embeddings import total
from kinsight.errors import KinsightError
from kinsight.objectives import Objective, ObjectiveSettings
from kinsight.objectives.miners import MINERS, DistanceWeightedMiner, build_miner
from reference import losses as reference


def on_the_sphere(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def negatives_distances(miner: DistanceWeightedMiner, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    anchor, _, negative = miner(x, y)
    return (x[anchor] - x[negative]).norm(dim=1)


@pytest.mark.parametrize("dim", [3, 4, 8])
def test_negatives_are_uniform_in_distance(dim: int) -> None:
    torch.manual_seed(0)
    x, y = on_the_sphere(900, dim), torch.arange(900) % 150
    distances = negatives_distances(DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4), x, y)
    assert len(distances) == 900 * 5
    assert distances.max() < 1.4
    inside = distances[distances >= 0.5]
    share = torch.histc(inside, bins=6, min=0.5, max=1.4) / len(inside)
    assert share.min() > 0.75 / 6
    assert share.max() < 1.25 / 6
    # Uniform choice would crowd at the far end.
    uniform = torch.cdist(x, x).flatten()
    far = ((uniform > 1.25) & (uniform < 1.4)).sum() / ((uniform > 0.5) & (uniform < 1.4)).sum()
    assert far > share[-1] * 1.2


def test_no_upper_limit() -> None:
    torch.manual_seed(0)
    x, y = on_the_sphere(400, 3), torch.arange(400) % 100
    distances = negatives_distances(DistanceWeightedMiner(nonzero_loss_cutoff=None), x, y)
    assert distances.max() > 1.9


def test_one_triplet_for_every_ordered_positive_pair() -> None:
    x, y = on_the_sphere(12, 5), torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 4])
    anchor, positive, negative = DistanceWeightedMiner()(x, y)
    assert sorted(zip(anchor.tolist(), positive.tolist(), strict=True)) == reference.positive_pairs(y.tolist())
    assert (y[anchor] != y[negative]).all()


def test_one_hard_pair_does_not_silence_the_other_anchors() -> None:
    # In 512 dimensions weights differ by factors beyond float32; each anchor must be weighed for itself.
    x, y = on_the_sphere(64, 512), torch.arange(64) // 2
    x = F.normalize(x + F.normalize(torch.randn(1, 512, generator=torch.Generator().manual_seed(1))), dim=1)
    x[2] = F.normalize(x[0] + 0.01 * x[5], dim=0)
    anchor, _, negative = DistanceWeightedMiner()(x, y)
    assert anchor.unique().tolist() == list(range(64))
    assert negative[anchor == 0].tolist() == [2]


def test_anchor_without_near_negatives_keeps_its_positive() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    anchor, _, negative = DistanceWeightedMiner()(x, torch.tensor([0, 0, 1, 1]))
    assert anchor.tolist() == [0, 1, 2, 3]
    assert all(n in pair for n, pair in zip(negative.tolist(), [(2, 3), (2, 3), (0, 1), (0, 1)], strict=True))


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_nothing_to_mine(labels: list[int]) -> None:
    for found in DistanceWeightedMiner()(on_the_sphere(3, 4), torch.tensor(labels)):
        assert found.tolist() == []


def mined(loss: dict, miner: dict, seed: int = 0) -> tuple[float, float]:
    x, y = on_the_sphere(20, 6), torch.arange(20) % 5
    made = Objective(ObjectiveSettings(loss, miner), dim=6, classes=5)
    everything = Objective(ObjectiveSettings(loss), dim=6, classes=5)
    return float(total(made, x, y, seed=seed)), float(total(everything, x, y, seed=seed))


@pytest.mark.parametrize("epsilon", [0.1, 0.3])
def test_multi_similarity_with_its_miner(epsilon: float) -> None:
    x, y = on_the_sphere(20, 6).double().numpy(), (torch.arange(20) % 5).tolist()
    value, unmined = mined({"name": "multi-similarity"}, {"name": "multi-similarity", "epsilon": epsilon})
    assert value == pytest.approx(reference.multi_similarity(x, y, epsilon=epsilon), rel=1e-5)
    assert value != pytest.approx(unmined, rel=1e-6)


def test_triplets_of_the_hard_and_semihard_miners() -> None:
    x, y = on_the_sphere(20, 6), torch.arange(20) % 5
    d = (x[:, None] - x[None]).norm(dim=2)
    a, p, n = build_miner({"name": "hard"})(x, y)
    assert a.tolist() == list(range(20))
    for anchor, positive, negative in zip(a.tolist(), p.tolist(), n.tolist(), strict=True):
        same = y == y[anchor]
        assert d[anchor, positive] == d[anchor][same].max()
        assert d[anchor, negative] == d[anchor][~same].min()
    found = set(zip(*[index.tolist() for index in build_miner({"name": "semihard"})(x, y)], strict=True))
    gaps = {(a, p, n): float(d[a, n] - d[a, p]) for a, p, n in reference.triplets(y.tolist())}
    assert found == {triplet for triplet, gap in gaps.items() if 0 < gap <= 0.2}
    assert len(found) < len(build_miner({"name": "triplet-margin"})(x, y)[0]) < len(gaps)


def test_random_choices_follow_from_the_seed_alone() -> None:
    loss, miner = {"name": "margin"}, {"name": "distance-weighted"}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = mined(loss, miner, seed=7)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(4)
    assert mined(loss, miner, seed=7) == first
    assert mined(loss, miner, seed=8) != first


def test_margin_equals_the_equation_on_the_mined_triplets() -> None:
    x, y = on_the_sphere(20, 6), torch.arange(20) % 5
    torch.manual_seed(5)
    triplets = list(zip(*[index.tolist() for index in DistanceWeightedMiner()(x, y)], strict=True))
    expected = reference.margin(x.double().numpy(), y.tolist(), [1.2] * 5, mined=triplets)
    assert mined({"name": "margin"}, {"name": "distance-weighted"}, seed=5)[0] == pytest.approx(expected, rel=1e-5)


def test_descriptions_name_real_options() -> None:
    assert [name for name, _, _ in MINERS.describe()] == list(MINERS)
    for name, needs, defaults in MINERS.describe():
        assert needs
        assert build_miner({"name": name, **defaults}) is not None


def test_no_upper_limit_of_distance_weighted_negatives():
    """The class says that null is allowed, so the settings may say it; for other numbers it is refused."""
    miner = build_miner({"name": "distance-weighted", "nonzero_loss_cutoff": None})
    assert miner.nonzero_loss_cutoff is None
    with pytest.raises(KinsightError, match="cutoff: None is not allowed"):
        build_miner({"name": "distance-weighted", "cutoff": None})


def test_a_loss_is_no_miner() -> None:
    with pytest.raises(KinsightError, match=r"losses\.CircleLoss is not a pytorch_metric_learning\.BaseMiner class"):
        build_miner({"name": "pytorch_metric_learning.losses.CircleLoss"})
    with pytest.raises(
        KinsightError, match=r"'angular' is not a known miner.* such as pytorch_metric_learning\.miners\."
    ):
        build_miner({"name": "angular"})
    assert build_miner({"name": "pytorch_metric_learning.miners.AngularMiner"}) is not None


def test_null_is_no_miner() -> None:
    assert type(build_miner({"name": None})) is type(build_miner({"name": "none"}))
