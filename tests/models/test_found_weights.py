"""Weights that are on the machine already: which, for which network, and what it was fed with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kinsight.errors import KinsightError
from kinsight.models.found_weights import FED, VARIABLE, fed_with, find_weights, trunk_of
from kinsight.models.frozen_norm import batch_norms
from kinsight.models.trunk import Trunk


@pytest.mark.parametrize(
    ("name", "trunk"),
    [
        ("mobilenetv2_100_imagenet1k.safetensors", "mobilenetv2_100"),
        ("resnet50.a1_in1k.safetensors", "resnet50"),
        ("resnet50d.safetensors", "resnet50d"),
        ("osnet_x0_25.safetensors", None),
    ],
)
def test_a_file_is_named_after_its_network(name: str, trunk: str | None) -> None:
    assert trunk_of(name) == trunk


def test_the_variable_names_a_file_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("osnet_x0_25", "mobilenetv2_100_birds", "mobilenetv2_100_imagenet1k", "resnet18"):
        save_file({"a": torch.zeros(1)}, tmp_path / f"{name}.safetensors")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    found = find_weights(["mobilenetv2_100", "resnet18"])
    assert found is not None
    assert (found.file.name, found.trunk, found.where) == (
        "mobilenetv2_100_imagenet1k.safetensors",
        "mobilenetv2_100",
        VARIABLE,
    )
    monkeypatch.setenv(VARIABLE, str(tmp_path / "resnet18.safetensors"))
    found = find_weights(["mobilenetv2_100"])
    assert found is not None
    assert found.trunk == "resnet18"
    for wrong in ("nothing", "osnet_x0_25.safetensors"):
        monkeypatch.setenv(VARIABLE, str(tmp_path / wrong))
        with pytest.raises(KinsightError, match=f"{VARIABLE} names"):
            find_weights(["resnet18"])


@pytest.mark.parametrize("fed", FED)
def test_the_first_batch_norm_tells_what_its_network_was_fed_with(fed: tuple[tuple[float, ...], ...]) -> None:
    trunk = Trunk("test_resnet", size=(32, 32), frozen_norm="none", seed=0)
    pictures = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in fed)
    batch_norms(trunk)[0].momentum = 1.0  # it remembers this batch alone
    with torch.no_grad():
        trunk((pictures - mean) / std)
    assert fed_with(trunk, pictures[:16]) == fed
