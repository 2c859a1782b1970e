"""Families of timm, with random weights: exact on their last map and on the one below, or refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foreign.networks import lively
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, View
from kinsight.explanation.contributions import contributions
from kinsight.explanation.opening import lower_layer
from kinsight.models import Embedder, ModelSettings, Trunk, build_embedder

# Sizes are the smallest at which the map below the last has several places.
FAMILIES = {
    "resnet10t": 64, "hrnet_w18_small": 64, "mobilenetv3_small_050": 64, "efficientnet_b0": 64, "convnext_atto": 64, "regnetx_002": 64,
    "regnety_002": 64, "densenet121": 64, "ghostnet_050": 64, "repvgg_a0": 64, "starnet_s1": 64, "inception_next_atto": 64,
    "caformer_s18": 64, "convformer_s18": 64, "poolformer_s12": 64, "convmixer_768_32": 64, "mobilevit_xxs": 64, "edgenext_xx_small": 64,
    "fastvit_t8": 64, "vit_tiny_patch16_224": 64, "deit_tiny_patch16_224": 64, "cait_xxs24_224": 64, "xcit_nano_12_p16_224": 64,
    "convit_tiny": 224, "mixer_s16_224": 224, "resmlp_12_224": 224, "swin_tiny_patch4_window7_224": 64, "twins_svt_small": 64,
    "pvt_v2_b0": 64, "visformer_tiny": 64, "levit_128s": 224, "maxvit_rmlp_pico_rw_256": 64, "gcvit_xxtiny": 64, "davit_tiny": 64,
    "tiny_vit_5m_224": 64, "efficientformer_l1": 224, "efficientformerv2_s0": 224,
}  # fmt: skip
# Two branches that both depend on the picture are multiplied above the lower map, and neither says that it is a gate.
BILINEAR = {
    "coat_tiny": 64, "coat_lite_tiny": 64, "gmixer_12_224": 224, "eva02_tiny_patch14_224": 56, "mambaout_femto": 64, "efficientvit_b0": 64,
}  # fmt: skip
# No layer gives their lower maps alone, or what lies above these is recurrent.
LAST_ONLY = {"crossvit_tiny_240": 240, "mvitv2_tiny": 64, "sequencer2d_s": 64}


def model(name: str, size: int) -> Embedder:
    settings = ModelSettings(trunk=name, size=size, resize=size, head={"name": "linear", "dim": 16})
    return lively(build_embedder(settings, seed=0)).eval()  # type: ignore[return-value]


def view(embedder: Embedder, stage: int) -> View:
    size = embedder.preprocessing.height_width
    picture = torch.randn(3, *size, generator=torch.Generator().manual_seed(1))
    return Explainer(embedder, stage=stage, gates="standard").views([picture])[0]


def check_exact(found: View) -> None:
    error = np.abs(found.places.sum((0, 1)) + found.bias - found.whole).max()
    assert error < 1e-5 * np.abs(found.whole).max()
    assert found.affinity_error < 1e-3
    assert np.linalg.norm(found.places.sum((0, 1))) > 0.05 * np.linalg.norm(found.whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_exact_on_the_last_map_and_on_the_one_below(name: str) -> None:
    embedder = model(name, FAMILIES[name])
    last, lower = view(embedder, 0), view(embedder, 1)
    check_exact(last)
    check_exact(lower)
    assert last.grid == embedder.trunk.map_size
    assert lower.grid >= last.grid


@pytest.mark.slow
@pytest.mark.parametrize("name", BILINEAR)
def test_what_is_not_affine_is_refused_below_the_last_map(name: str) -> None:
    embedder = model(name, BILINEAR[name])
    check_exact(view(embedder, 0))
    with pytest.raises(KinsightError, match="gate"):
        view(embedder, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAST_ONLY)
def test_what_has_no_lower_map_is_explained_on_its_last(name: str) -> None:
    embedder = model(name, LAST_ONLY[name])
    check_exact(view(embedder, 0))
    assert Explainer(embedder, stage="auto").stage == 0
    with pytest.raises(KinsightError, match=r"last map"):
        view(embedder, 1)


class StarReLU(nn.Module):
    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power

    def forward(self, values: Tensor) -> Tensor:
        ways = {0: lambda x: x.square(), 1: torch.square, 2: lambda x: x**2, 3: lambda x: torch.pow(x, 3)}
        return 0.9 * ways[self.power](values.relu()) - 0.4


@pytest.mark.parametrize("power", range(4))
def test_powers_of_a_relu_are_gates(power: int) -> None:
    """As StarReLU's in MetaFormers: the rectified value times a power of itself."""
    head = lively(
        nn.Sequential(nn.Conv2d(4, 6, 1), StarReLU(power), nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    feature_map = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = contributions(head, feature_map, gates="standard")
        whole = head(feature_map)
    torch.testing.assert_close(found.places.sum((1, 2)) + found.bias, whole)
    assert float(found.affinity_error.max()) < 1e-5
    with torch.no_grad():
        assert float(contributions(head, feature_map).affinity_error.max()) > 0.01


def test_a_vit_is_opened_a_block_lower() -> None:
    embedder = model("test_vit", 64)
    names = [layer for _, layer in embedder.trunk.lower_maps()]
    assert names == [f"blocks.{block}" for block in range(len(names))][::-1]
    assert lower_layer(embedder, 1) == f"trunk.network.{names[0]}"
    last, lower = view(embedder, 0), view(embedder, 1)
    check_exact(lower)
    assert lower.grid == last.grid
    assert not np.allclose(lower.places, last.places)
    stopped = Trunk("test_vit", options={"stage": 1}, size=(64, 64))
    assert stopped.map_size == embedder.trunk.map_size
    # A model whose blocks have all one size is not taken for one with a finer map.
    assert Explainer(embedder, stage="auto").stage == 0


class Shared(nn.Module):
    """One module runs below the layer and above it, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3, padding=1)
        self.below = nn.ModuleList([nn.ModuleDict({"mix": self.mix})])
        self.block = nn.Sequential(self.mix, nn.ReLU())
        self.linear = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        lower = self.block(images[:, :, ::4, ::4])
        return self.linear(self.mix(lower).relu().mean((2, 3)))


def test_a_module_that_runs_below_and_above_the_opening() -> None:
    network = lively(Shared()).eval()
    images = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    (found,) = Explainer(network, layer="block").views([images[0]])
    check_exact(found)


@pytest.mark.long
def test_shared_modules_keep_their_values_when_a_trunk_is_built() -> None:
    trunk = Trunk("coat_tiny", size=(32, 32))
    assert not any(value.is_meta for value in trunk.state_dict().values())
    assert not any(value.is_meta for module in trunk.modules() for value in module.parameters(recurse=False))
    assert trunk(torch.zeros(1, 3, 32, 32)).shape[:2] == (1, 152)
