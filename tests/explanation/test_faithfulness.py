"""Deletion, insertion and the sanity check: known truths, plain loops, and a model that is as it was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.data import read_table
from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate
from kinsight.explanation import Explainer
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.correspondence import same_class_pairs
from kinsight.explanation.measuring.faithfulness import RANDOM, REPLACEMENTS, Faithfulness, faithfulness
from kinsight.explanation.measuring.sanity import UNTOUCHED, restored, sanity_check, stages_of
from kinsight.explanation.methods import chosen_methods
from kinsight.models import ModelSettings, build_embedder
from planted import SIDE, Mean, Patches
from shared_data import shared

PAIRS = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [4, 1], [5, 2]])


class Stripes(nn.Module):
    """A trunk: how much the pixels of every patch differ from their neighbours; nothing of it is left in a blurred picture."""

    def forward(self, images: Tensor) -> Tensor:
        steps = (images[..., 1:] - images[..., :-1]).abs()
        return functional.avg_pool2d(functional.pad(steps, (0, 1)), 8)


class Grey(nn.Module):
    """A head that adds a constant: what shows nothing is like everything, and only stripes speak."""

    def forward(self, feature_map: Tensor) -> Tensor:
        values = feature_map.mean((2, 3))
        return torch.cat([values, torch.full_like(values[:, :1], 0.01)], dim=1)


def striped() -> list[Tensor]:
    """Pictures with one patch of red stripes each on faint blue noise; red is what they have in common."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, SIDE, SIDE, generator=generator) * torch.tensor([0.0, 0.0, 0.1])[:, None, None]
    for number, image in enumerate(images):
        row, column = divmod(number * 3 % 16, 4)
        image[0, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8 : 2] = 1
    return list(images)


def measured(**options: Any) -> Faithfulness:
    options = {"methods": ["decomposition", "gradient x activation no norm"], "steps": 8, "batch_size": 7, **options}
    return faithfulness(Explainer((Stripes(), Grey())), striped(), PAIRS, **options)


@pytest.mark.parametrize("replacement", ["grey", "blurred"])
def test_the_map_that_is_the_truth_beats_random_order(replacement: str) -> None:
    found = measured(replacement=replacement)
    for method in ("decomposition", "gradient x activation no norm"):
        assert found.difference("deletion", method).high < 0
        assert found.difference("insertion", method).low > 0
    assert found.difference("deletion", RANDOM) == Estimate(0, method="bootstrap")


def test_the_ends_are_the_whole_and_the_replaced_picture() -> None:
    found = measured(replacement="grey")
    images = torch.stack(striped())
    whole = Grey()(Stripes()(images)).double().numpy()
    black = np.array([0, 0, 0, 0.01])
    for number, (query, other) in enumerate(PAIRS):
        full = whole[query] @ whole[other] / np.linalg.norm(whole[query]) / np.linalg.norm(whole[other])
        empty = black @ whole[other] / 0.01 / np.linalg.norm(whole[other])
        for curves, (first, last) in (("deletion", (full, empty)), ("insertion", (empty, full))):
            for values in found.curves[curves].values():  # type: ignore[index]
                np.testing.assert_allclose(values[number, [0, -1]], [first, last], atol=1e-6)
    np.testing.assert_allclose(found.fractions, np.arange(9) / 8)


def test_curves_are_those_of_plain_loops() -> None:
    """Pixel by pixel: the order, the exchange, the similarity."""
    found = measured(replacement="grey", steps=4, methods="decomposition")
    images = striped()
    maps = Collection(Explainer((Stripes(), Grey())), images, chosen_methods("decomposition")).maps(PAIRS)
    for number, (query, other) in enumerate(PAIRS[:2]):
        values = torch.from_numpy(maps["decomposition"][number])[None, None]
        large = functional.interpolate(values, (SIDE, SIDE), mode="bilinear")[0, 0]
        # Where values are equal the order is open: only steps that do not cut through equal ones can be told.
        ordered, at = large.flatten().sort(descending=True)
        for step in (1, 2, 3):
            count = SIDE * SIDE * step // 4
            if ordered[count - 1] == ordered[count]:
                continue
            pixels = images[query].clone().flatten(1)
            kept = torch.zeros_like(pixels)
            for pixel in at[:count].tolist():
                kept[:, pixel] = pixels[:, pixel]
                pixels[:, pixel] = 0
            yours = Grey()(Stripes()(images[other][None]))
            for kind, changed in (("deletion", pixels), ("insertion", kept)):
                mine = Grey()(Stripes()(changed.view(1, 3, SIDE, SIDE)))
                wanted = float(functional.cosine_similarity(mine, yours))
                curve = found.curves[kind]["decomposition"][number]  # type: ignore[index]
                assert curve[step] == pytest.approx(wanted, abs=1e-5)


def test_areas_are_mean_similarities() -> None:
    flat = np.tile([[1.0, 0.5, 0.0]], (2, 1))
    curves = {kind: {"m": flat, RANDOM: flat + 0.1} for kind in ("deletion", "insertion")}
    found = Faithfulness(np.array([0, 0.5, 1]), curves, np.array([0, 1]), "grey")  # type: ignore[arg-type]
    assert found.areas("deletion", "m").tolist() == [0.5, 0.5]
    assert found.difference("insertion", "m").value == pytest.approx(-0.1)
    with pytest.raises(KinsightError, match="not measured"):
        found.areas("deletion", "cam")


def test_the_same_seed_gives_the_same_curves_and_batches_do_not_matter() -> None:
    first, second, third = measured(), measured(batch_size=64), measured(seed=1)
    np.testing.assert_allclose(first.curves["deletion"][RANDOM], second.curves["deletion"][RANDOM], atol=1e-6)
    assert np.abs(first.curves["deletion"][RANDOM] - third.curves["deletion"][RANDOM]).max() > 1e-3


def test_replacements() -> None:
    image = striped()[0]
    assert not REPLACEMENTS["grey"](image).any()
    blurred = REPLACEMENTS["blurred"](image)
    assert blurred.shape == image.shape
    assert blurred.diff(dim=2).abs().mean() < image.diff(dim=2).abs().mean() / 5
    np.testing.assert_allclose(blurred.mean(), image.mean(), rtol=0.2)
    assert blurred.dtype == image.dtype


def test_results_are_plain_values() -> None:
    tree = measured(labels=[0, 0, 1, 1, 2, 2]).to_dict()
    assert json.loads(json.dumps(tree)) == tree
    assert [row["method"] for row in tree["rows"]] == ["decomposition", "gradient x activation no norm", RANDOM]
    assert tree["rows"][0]["deletion_minus_random_high"] < 0
    assert len(tree["curves"]["insertion"]["decomposition"]) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replacement": "black"}, "black"),
        ({"steps": 1}, "at least 2 steps"),
        ({"random_orders": 0}, "random order"),
        ({"labels": [0, 1]}, "2 labels do not fit 6 pictures"),
        ({"methods": "cam"}, "class_weights"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    with pytest.raises(KinsightError, match=message):
        measured(**change)
    with pytest.raises(KinsightError, match="rows \\(query, partner\\)"):
        faithfulness(Explainer((Stripes(), Grey())), striped(), np.array([[0, 6]]))


def tiny_model() -> Explainer:
    return Explainer(build_embedder(ModelSettings(trunk="test_resnet", size=64, resize=None, head={"dim": 8}), seed=3))


def noise(count: int = 6) -> list[Tensor]:
    return list(torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def test_randomised_models_draw_other_maps_and_the_model_is_put_back() -> None:
    model = tiny_model()
    embedder = model.opening.modules[0]
    digest = embedder.digest()  # type: ignore[operator]
    found = sanity_check(model, noise(), PAIRS, methods=["decomposition", "grad-cam"], labels=[0, 0, 1, 1, 2, 2])
    assert found.stages == [UNTOUCHED, "layer4", "layer3", "layer2", "layer1", "act1"]
    for method in ("decomposition", "grad-cam"):
        np.testing.assert_allclose(found.correlations[method][0], 1)
        assert (found.correlations[method][1:].mean(1) < 0.9).all()
    assert embedder.digest() == digest  # type: ignore[operator]
    tree = found.to_dict()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["rows"][0] == {
        "method": "decomposition", "stages": 0, "randomised": "none", "correlation": 1.0,
        "correlation_low": None, "correlation_high": None,
    }  # fmt: skip
    with pytest.raises(KinsightError, match="not measured"):
        found.correlation("decomposition", 6)


def test_the_model_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    embedder = model.opening.modules[0]
    digest, calls = embedder.digest(), []  # type: ignore[operator]
    maps = Collection.maps

    def failing(self: Collection, *given: Any, **options: Any) -> dict[str, np.ndarray]:
        calls.append(embedder.digest())  # type: ignore[operator]
        if len(calls) == 3:
            raise RuntimeError("no more")
        return maps(self, *given, **options)

    monkeypatch.setattr(Collection, "maps", failing)
    with pytest.raises(RuntimeError, match="no more"):
        sanity_check(model, noise(), PAIRS, methods="decomposition")
    assert len(set(calls)) == 3
    assert embedder.digest() == digest  # type: ignore[operator]


def test_stages_become_random_from_the_top_and_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    network = model.opening.modules[0].trunk.network  # type: ignore[union-attr]
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    changed = []
    maps = Collection.maps

    def watched(self: Collection, *given: Any, **options: Any) -> dict[str, np.ndarray]:
        now = dict(network.named_parameters())
        changed.append({name.split(".")[0] for name, value in before.items() if not torch.equal(value, now[name])})
        return maps(self, *given, **options)

    monkeypatch.setattr(Collection, "maps", watched)
    sanity_check(model, noise(), PAIRS, methods="decomposition")
    stages = ["layer4", "layer3", "layer2", "layer1", "conv1"]  # fresh batch norms hold equal values, which stay
    assert changed == [set(stages[:count]) for count in range(6)]


def test_only_weights_are_random() -> None:
    """A trunk without weights cannot be randomised: its maps stay, which the check must show as 1."""
    trunk = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AvgPool2d(8))
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    found = sanity_check(Explainer((Patches(), Mean())), striped(), PAIRS, methods="decomposition", network=trunk)
    assert found.stages == [UNTOUCHED, "0"]
    np.testing.assert_allclose(found.correlations["decomposition"], 1)
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.long
def test_stages_hold_every_parameter_once() -> None:
    for name in ("test_resnet", "test_vit", "test_mambaout", "mobilenetv2_035"):
        network = build_embedder(ModelSettings(trunk=name, size=160, resize=None)).trunk.network
        found = stages_of(network)
        ids = [id(parameter) for parameters in found.values() for parameter in parameters]
        assert sorted(ids) == sorted(id(parameter) for parameter in network.parameters())
        assert len(found) > 1


def test_buffers_are_put_back_too() -> None:
    norm = nn.BatchNorm2d(2)
    with restored(norm):
        norm(torch.randn(4, 2, 3, 3) + 5)
        assert norm.running_mean is not None
        assert norm.running_mean.abs().max() > 0.1
        norm.weight.data.fill_(7)
    assert norm.running_mean.tolist() == [0, 0]
    assert norm.weight.tolist() == [1, 1]


def test_the_trunk_of_a_foreign_model_must_be_named() -> None:
    with pytest.raises(KinsightError, match="network="):
        sanity_check(Explainer((Patches(), Mean())), striped(), PAIRS)


def test_real_pictures() -> None:
    """Photographs through a small random network: complete curves, no value that is not finite."""
    table = read_table(shared("data/cub200_2011_full27.zip"))
    table = table.groupby("label", sort=True).head(2).head(4).reset_index(drop=True)
    pairs = same_class_pairs(table["label"].to_numpy())
    model = Explainer(build_embedder(ModelSettings(trunk="test_resnet", size=64, resize=None, head={"dim": 8})))
    found = faithfulness(model, table["path"].tolist(), pairs, labels=table["label"].to_numpy(), steps=4)
    for by_method in found.curves.values():
        for values in by_method.values():
            assert values.shape == (4, 5)
            assert np.isfinite(values).all()
            assert np.abs(values).max() <= 1 + 1e-6
    deletion = found.curves["deletion"]
    np.testing.assert_allclose(deletion["decomposition"][:, 0], deletion["grad-cam"][:, 0])
