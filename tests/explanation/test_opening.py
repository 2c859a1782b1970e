"""Models opened at a feature map: the right map, an exact head above it, and nothing left behind in the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foreign.networks import (
    Sharing,
    Skipping,
    convnext,
    efficientnet,
    lively,
    resnet,
    swin,
    torchvision_transformer,
    vision_transformer,
)
from kinsight.errors import KinsightError
from kinsight.explanation import Contributions, Layout, Opened, contributions, open_model
from kinsight.explanation.opening import lower_layer
from kinsight.models import Embedder
from kinsight.models.embedder import build_embedder
from kinsight.settings.model import ModelSettings


def images(count: int = 2, size: tuple[int, int] = (64, 64)) -> Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def embedder(trunk: str = "test_resnet", **head: Any) -> Embedder:
    settings = ModelSettings(trunk=trunk, size=64, resize=64, frozen_norm="none", head={"dim": 8, **head})
    model = build_embedder(settings, seed=2)
    lively(model)
    return model


def explained(opened: Opened, **options: Any) -> Contributions:
    return contributions(opened.head, opened.feature_map, layout=opened.layout, **options)


def incompleteness(found: Contributions, whole: Tensor) -> float:
    """Against the embedding of the whole model, not of the head."""
    rest = found.places.sum((1, 2)) + found.bias - whole
    return float((rest.norm(dim=1) / whole.norm(dim=1)).max())


def whole_of(model: nn.Module, pictures: Tensor) -> Tensor:
    model = deepcopy(model).eval()
    with torch.no_grad():
        answer = model(pictures.to(next(model.parameters()).dtype))
    return answer.whole if isinstance(model, Embedder) else answer


def state(model: nn.Module) -> dict[str, Any]:
    """All that opening could leave behind: hooks, patched forwards, modes, gradients."""
    return {
        name: (sorted(vars(module)), len(module._forward_hooks), len(module._forward_pre_hooks), module.training)
        for name, module in model.named_modules()
    } | {f"{name} gradient": value.grad is not None for name, value in model.named_parameters()}


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    before, values = state(model), deepcopy(model.state_dict())
    yield
    assert state(model) == before
    for name, value in model.state_dict().items():
        assert torch.equal(value, values[name])


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("pooling", ["avg", "max", "avg+max", "flatten"])
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_stages_of_an_embedder(stage: int, pooling: str, dtype: torch.dtype, exact: float) -> None:
    model = embedder(pooling=pooling, batch_norm=True).to(dtype)
    model.head.eval()  # a mode of its own, which must stay
    with unchanged(model):
        opened = open_model(model, stage=stage)(images())
        found = explained(opened)
    assert found.places.shape == (2, 2 * 2**stage, 2 * 2**stage, 8)
    assert incompleteness(found, whole_of(model, images())) <= exact
    assert float(found.affinity_error.max()) < 1e-4


def test_the_generalised_mean_at_a_finer_stage() -> None:
    """Its weights are a gate wherever the model is opened."""
    model = embedder(pooling="gem").double()
    found = explained(open_model(model, stage=1)(images()))
    assert incompleteness(found, whole_of(model, images())) < 1e-10
    assert float(found.affinity_error.max()) < 1e-4


def test_a_finer_map_is_the_output_of_the_trunks_layer() -> None:
    model = embedder().eval()
    wanted: list[Tensor] = []
    handle = model.trunk.network.layer3.register_forward_hook(lambda _, __, output: wanted.append(output))
    with torch.no_grad():
        model(images())
    handle.remove()
    assert torch.equal(open_model(model, stage=1)(images()).feature_map, wanted[0])
    assert torch.equal(open_model(model, layer="trunk.network.layer3")(images()).feature_map, wanted[0])
    with torch.no_grad():
        assert torch.equal(open_model(model)(images()).feature_map, model.trunk(images()))


def above(network: Any, feature_map: Tensor) -> Tensor:
    return network.fc(torch.flatten(network.avgpool(network.layer4(feature_map)), 1))


def below(network: Any, pictures: Tensor) -> Tensor:
    first = network.maxpool(network.relu(network.bn1(network.conv1(pictures))))
    return network.layer3(network.layer2(network.layer1(first)))


@pytest.mark.long
def test_a_layer_and_two_callables_give_the_same() -> None:
    network = resnet().double().eval()
    by_layer = open_model(network, layer="layer3")(images())
    by_parts = open_model((lambda x: below(network, x.double()), lambda x: above(network, x)))(images())
    assert torch.equal(by_layer.feature_map, by_parts.feature_map)
    one, two = explained(by_layer), explained(by_parts)
    assert torch.allclose(one.places, two.places, rtol=1e-10, atol=1e-12)
    assert torch.allclose(one.bias, two.bias, rtol=1e-10, atol=1e-12)


FOREIGN: dict[str, tuple[Callable[[], nn.Module], str, str, Layout]] = {
    "torchvision resnet": (resnet, "layer4", "declared", Layout("NCHW")),
    "torchvision resnet, inside a block": (resnet, "layer4.0.conv1", "declared", Layout("NCHW")),
    "torchvision resnet, a ReLU that is called twice": (resnet, "layer4.0.relu", "declared", Layout("NCHW")),
    "timm efficientnet": (efficientnet, "blocks.3", "standard", Layout("NCHW")),
    "timm convnext": (convnext, "stages.2", "standard", Layout("NCHW")),
    "timm vision transformer": (vision_transformer, "blocks.0", "standard", Layout("tokens", 1, (4, 4))),
    "torchvision vision transformer": (
        torchvision_transformer, "encoder.layers.encoder_layer_0", "standard", Layout("tokens", 1, (4, 4)),
    ),
    "timm swin": (swin, "layers.0", "standard", Layout("NHWC")),
    "skipping over the middle": (Skipping, "middle", "declared", Layout("NCHW")),
    "parts that are used again": (Sharing, "middle", "declared", Layout("NCHW")),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_networks(name: str) -> None:
    make, layer, gates, layout = FOREIGN[name]
    torch.manual_seed(0)  # some draws of an untrained network hardly let the map through
    model = make()
    whole = whole_of(model, images())
    with unchanged(model):
        opened = open_model(model, layer=layer)(images())
        found = explained(opened, gates=gates)
    assert opened.layout == layout
    assert incompleteness(found, whole) < 1e-5
    assert float(found.affinity_error.max()) < 1e-4
    assert found.places.norm() > 0.01 * whole.norm()
    if gates == "standard":
        undeclared = explained(opened)
        assert incompleteness(undeclared, whole) < 1e-5  # which is why completeness alone proves nothing
        assert float(undeclared.affinity_error.max()) > 1e-2


@pytest.mark.parametrize("name", [name for name in FOREIGN if FOREIGN[name][2] == "declared"])
def test_foreign_networks_of_linear_pieces_answer_to_each_place_as_said(name: str) -> None:
    make, layer, _, _ = FOREIGN[name]
    opened = open_model(make().double(), layer=layer)(images())
    found = explained(opened)
    height, width = opened.layout.size(opened.feature_map)
    for i, j in ((0, 0), (height - 1, width // 2)):
        change = torch.zeros_like(opened.feature_map)
        change[:, :, i, j] = 1e-6 * opened.feature_map[:, :, i, j]
        with torch.no_grad():
            slope = (opened.head(opened.feature_map + change) - opened.head(opened.feature_map - change)) / 2e-6
        assert torch.allclose(slope, found.places[:, i, j], rtol=1e-4, atol=1e-6)


def test_a_class_token_speaks_for_no_place() -> None:
    model = vision_transformer().double()
    opened = open_model(model, layer="blocks.1")(images())
    found = explained(opened, gates="standard")
    with_itself = explained(replace(opened, layout=Layout("tokens", 0, (17, 1))), gates="standard")
    class_token = with_itself.places[:, 0, 0]  # (N, D)
    assert class_token.norm() > 0.01 * found.whole.norm()
    assert torch.allclose(found.bias, with_itself.bias + class_token, rtol=1e-9)
    assert torch.allclose(found.places.flatten(1, 2), with_itself.places[:, 1:, 0], rtol=1e-9)


@pytest.mark.long
def test_transformers_as_trunks() -> None:
    model = embedder("test_vit").double()
    opened = open_model(model)(images())
    assert opened.layout == Layout("NCHW")
    assert incompleteness(explained(opened), whole_of(model, images())) < 1e-10
    deeper = open_model(model, layer="trunk.network.blocks.3")(images())
    assert deeper.layout.kind == "tokens"
    found = explained(deeper, gates="standard")
    assert found.places.shape == (2, 4, 4, 8)
    assert incompleteness(found, whole_of(model, images())) < 1e-10
    assert float(found.affinity_error.max()) < 1e-4


def test_what_lies_below_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = embedder()
    calls: Counter[int] = Counter()
    plain = nn.Conv2d.forward

    def counted(self: nn.Conv2d, given: Tensor) -> Tensor:
        calls[id(self)] += 1
        return plain(self, given)

    opening = open_model(model, stage=1)
    monkeypatch.setattr(nn.Conv2d, "forward", counted)
    explained(opening(images()), chunk=7)
    network = model.trunk.network
    counts = {name: calls[id(module)] for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    assert {count for name, count in counts.items() if not name.startswith("layer4")} == {1}
    assert {count for name, count in counts.items() if name.startswith("layer4")} != {1}


def test_nothing_is_left_behind_after_an_error() -> None:
    model = resnet()

    def refuses(*_: Any) -> None:
        raise RuntimeError("broken on purpose")

    handle = model.layer4.register_forward_pre_hook(refuses)
    with unchanged(model), pytest.raises(RuntimeError, match="broken on purpose"):
        open_model(model, layer="layer3")(images())
    handle.remove()
    opened = open_model(model, layer="layer3")(images())
    handle = model.layer4.register_forward_pre_hook(refuses)
    with unchanged(model), pytest.raises(RuntimeError, match="broken on purpose"):
        explained(opened)
    handle.remove()
    assert explained(opened).places.shape == (2, 4, 4, 8)


@pytest.mark.long
def test_hooks_and_patches_of_others_stay_and_work() -> None:
    model = resnet().double().eval()
    model.layer2.register_forward_hook(lambda _, __, output: 2 * output)
    model.layer3.register_forward_hook(lambda _, __, output: output + 1)
    plain = model.layer1.forward
    model.layer1.forward = lambda given: 3 * plain(given)
    patch = model.layer1.forward
    whole = whole_of(model, images())
    with unchanged(model):
        found = explained(open_model(model, layer="layer3")(images()))
    assert model.layer1.forward is patch
    assert incompleteness(found, whole) < 1e-10


def test_pictures_follow_the_model_to_its_precision() -> None:
    opened = open_model(resnet().double(), layer="layer4")(images())
    assert opened.feature_map.dtype == torch.float64


class Restless(nn.Module):
    """Counts its calls, or draws at random, or changes what a layer took."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.calls = how, 0
        self.first, self.middle = nn.Conv2d(3, 6, 3), nn.LeakyReLU(0.1, inplace=True)
        self.last = nn.Conv2d(6, 5, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        self.calls += 1
        first = self.first(pictures)
        answer = self.last(self.middle(first))
        if self.how == "in place":
            answer = answer + first[:, :5, 1:-1, 1:-1]
        if self.how == "state":
            answer = answer * self.calls
        if self.how == "random":
            answer = nn.functional.dropout(answer)
        return answer.mean((2, 3))


@pytest.mark.parametrize("how", ["in place", "state", "random"])
def test_models_that_are_not_the_sum_of_their_layers_are_refused(how: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(KinsightError) as caught:
        open_model(Restless(how), layer="middle")(images())
    assert "gives other embeddings when it is run on from layer middle" in str(caught.value)


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare, self.both = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.both((self.used(pictures), 1))[0].mean((2, 3))


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (resnet, {"layer": "layer5"}, "has no layer 'layer5'; its layers include conv1, bn1"),
        (resnet, {"layer": "3.conv1"}, "its layers include conv1, layer1.0.conv1, layer2.0.conv1"),
        (resnet, {"layer": ""}, "has no layer ''; its layers include conv1"),
        (resnet, {}, "name the layer whose output still has places (layer='...'; its last modules are"),
        (resnet, {"stage": 1}, "stage 1 was given for a model that is not Kinsight's"),
        (lambda: (resnet(), resnet()), {"layer": "layer3"}, "with trunk and head, which are open already"),
        (embedder, {"stage": 5}, "trunk test_resnet has 4 maps below its last; write a stage from 0 to 4"),
        (embedder, {"stage": -1}, "stage -1 does not exist"),
        (embedder, {"stage": 1, "layer": "trunk"}, "both stage 1 and layer trunk are given; keep one of them"),
        (lambda: embedder("googlenet"), {"stage": 1}, "trunk googlenet has no map below its last; leave it out"),
        (lambda: "resnet50", {}, "str cannot be opened; give a Kinsight model, trunk and head as two callables"),
    ],
)
def test_what_cannot_be_opened_is_refused(make: Callable[[], Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        open_model(make(), **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "layer", "words"),
    [
        (resnet, "fc", "open the model at a layer that still has places"),
        (Unused, "spare", "layer spare gave no tensor when the model ran"),
        (Unused, "both", "layer both gave no tensor when the model ran"),
        (lambda: (lambda x: [x], resnet()), None, "the trunk gives a list where a feature map is needed"),
        (lambda: (lambda x: x.mean(), resnet()), None, "which is not NCHW"),
    ],
)
def test_layers_without_a_map_are_refused(make: Callable[[], Any], layer: str | None, words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        open_model(make(), layer=layer)(images())
    assert words in str(caught.value)


def test_stages_count_from_the_map_that_the_trunk_gives() -> None:
    settings = ModelSettings(trunk="resnet18", size=64, trunk_options={"stage": 1}, head={"dim": 8})
    assert lower_layer(build_embedder(settings), 1) == "trunk.network.layer2"
